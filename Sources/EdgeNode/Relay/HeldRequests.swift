// How much of requests the whole process holds while they are not answered. Shared by the workers, and asked only for
// requests that are larger than usual.

import Synchronization

final class HeldRequests: Sendable {
  private let limit: Int
  private let held = Atomic<Int>(0)

  init(limit: Int) {
    self.limit = limit
  }

  /// - Returns: whether so many bytes more may be held; follow with `give` when they are not any more
  func take(_ count: Int) -> Bool {
    guard held.add(count, ordering: .relaxed).newValue > limit else { return true }
    held.subtract(count, ordering: .relaxed)
    return false
  }

  func give(_ count: Int) {
    held.subtract(count, ordering: .relaxed)
  }
}
