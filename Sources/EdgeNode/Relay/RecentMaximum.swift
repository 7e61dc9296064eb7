// The greatest of what one worker measured in the last ten seconds.

import Synchronization

/// The worker's thread alone writes; anyone may read at any time.
package final class RecentMaximum: @unchecked Sendable {
  package static let spans = 10
  private static let spanMicroseconds: Int64 = 1_000_000

  // The pointer never changes; what it points to is atomic: the greatest of each span, in turn.
  private let cells: UnsafeMutablePointer<Atomic<Int64>>
  private var current = 0
  private var endsAt: Int64 = 0

  package init() {
    cells = .allocate(capacity: Self.spans)
    for index in 0..<Self.spans { (cells + index).initialize(to: Atomic(0)) }
  }

  deinit {
    cells.deinitialize(count: Self.spans)
    cells.deallocate()
  }

  package func observe(_ value: Int64, now: Int64) {
    age(now: now)
    if value > cells[current].load(ordering: .relaxed) { cells[current].store(value, ordering: .relaxed) }
  }

  /// Has what is older than ten spans forgotten, where nothing is observed for longer.
  package func age(now: Int64) {
    if now >= endsAt { begin(now) }
  }

  private func begin(_ now: Int64) {
    let passed = min(Int64(Self.spans), (now - endsAt) / Self.spanMicroseconds + 1)
    for _ in 0..<passed {
      current = (current + 1) % Self.spans
      cells[current].store(0, ordering: .relaxed)
    }
    endsAt = now + Self.spanMicroseconds
  }

  package var value: Int64 { (0..<Self.spans).reduce(0) { max($0, cells[$1].load(ordering: .relaxed)) } }
}
