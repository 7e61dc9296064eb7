// How much of requests, or of answers, the whole process holds for others to take. Shared by the workers, and asked only
// for what is larger than usual.

import Synchronization

final class HeldBytes: Sendable {
  let limit: Int
  private let held = Atomic<Int>(0)
  private let exemptionIsTaken = Atomic<Bool>(false)

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

  /// Counts bytes that are held in any case.
  func note(_ change: Int) {
    held.add(change, ordering: .relaxed)
  }

  /// Bytes beyond the limit, which `note` lets happen.
  var excess: Int { max(0, held.load(ordering: .relaxed) - limit) }

  /// There is a reason to hold less.
  var isHalfUsed: Bool { held.load(ordering: .relaxed) > limit / 2 }

  /// Lets one go on beyond the limit that holds most of it already: otherwise a body larger than the limit, or two of
  /// half of it, could never pass.
  /// - Returns: whether it may; follow with `giveExemption`
  func takeExemption(holding count: Int) -> Bool {
    guard count > limit / 2 else { return false }
    return !exemptionIsTaken.exchange(true, ordering: .relaxed)
  }

  func giveExemption() {
    exemptionIsTaken.store(false, ordering: .relaxed)
  }
}
