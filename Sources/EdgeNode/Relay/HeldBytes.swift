// How much of requests, or of answers, the whole process holds for others to take. What is larger than usual is counted.

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

  /// More than the limit is held, which `note` lets happen.
  var isOver: Bool { held.load(ordering: .relaxed) > limit }

  /// So much more that nothing can be waited for.
  var isFarOver: Bool { held.load(ordering: .relaxed) > limit + limit / 4 }

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

/// A worker's account with what all workers share: it takes and gives in large pieces, so that workers seldom meet.
final class HeldShare {
  /// What is taken from the others at once, and what may lie here unused.
  private static let pieceBytes = 64 * 1024

  private let all: HeldBytes
  private var granted = 0
  /// What this worker holds.
  private(set) var used = 0

  init(_ all: HeldBytes) {
    self.all = all
  }

  deinit {
    all.give(granted)
  }

  /// - Returns: whether so many bytes more may be held; follow with `give` when they are not any more
  func take(_ count: Int) -> Bool {
    if used + count > granted {
      let missing = used + count - granted
      // Near the limit there may be no whole piece left.
      if all.take(missing + Self.pieceBytes) {
        granted += missing + Self.pieceBytes
      } else if all.take(missing) {
        granted += missing
      } else {
        return false
      }
    }
    used += count
    return true
  }

  func give(_ count: Int) {
    used -= count
    giveBack()
  }

  /// Counts bytes that are held in any case.
  func note(_ change: Int) {
    used += change
    if used > granted {
      let more = used - granted + Self.pieceBytes
      all.note(more)
      granted += more
    } else {
      giveBack()
    }
  }

  private func giveBack() {
    guard granted - used > 4 * Self.pieceBytes else { return }
    let surplus = granted - used - Self.pieceBytes
    all.give(surplus)
    granted -= surplus
  }

  var isHalfUsed: Bool { all.isHalfUsed }
  var isOver: Bool { all.isOver }
  var isFarOver: Bool { all.isFarOver }
  var limit: Int { all.limit }
  func takeExemption(holding count: Int) -> Bool { all.takeExemption(holding: count) }
  func giveExemption() { all.giveExemption() }
}
