// Times of one kind on one worker, by size. Its thread alone writes; anyone may read at any time.

import Synchronization

package final class Histogram: @unchecked Sendable {
  // The pointer never changes; what it points to is atomic.
  private let cells: UnsafeMutablePointer<Atomic<UInt64>>

  /// Each bucket ends at twice the end of the one before: the first at 16 µs, the last but one at 67 s, then all others.
  package static let firstExponent = 4
  package static let buckets = 24

  package init() {
    cells = .allocate(capacity: Self.buckets + 1)
    for index in 0...Self.buckets { (cells + index).initialize(to: Atomic(0)) }
  }

  deinit {
    cells.deinitialize(count: Self.buckets + 1)
    cells.deallocate()
  }

  /// The place of a time: the first bucket whose end it does not pass.
  package static func bucket(_ microseconds: Int64) -> Int {
    guard microseconds > 1 else { return 0 }
    let exponent = Int64.bitWidth - (microseconds - 1).leadingZeroBitCount
    return min(max(0, exponent - firstExponent), buckets - 1)
  }

  /// The end of a bucket in microseconds; nil for the last, which has none.
  package static func end(_ bucket: Int) -> Int64? {
    bucket < buckets - 1 ? 1 << Int64(bucket + firstExponent) : nil
  }

  package func observe(_ microseconds: Int64) {
    bump(Self.bucket(microseconds), 1)
    bump(Self.buckets, UInt64(max(0, microseconds)))
  }

  package func read(_ bucket: Int) -> UInt64 { cells[bucket].load(ordering: .relaxed) }
  package var sumMicroseconds: UInt64 { cells[Self.buckets].load(ordering: .relaxed) }

  /// One writer, so a load and a store do; no locked instruction on the data path.
  private func bump(_ index: Int, _ amount: UInt64) {
    cells[index].store(cells[index].load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }
}

/// The histograms of one worker.
package final class Timings: Sendable {
  /// From a request's first byte to its answer's.
  package let firstByte = Histogram()
  /// What an exchange spent in the edge's hands; see `AddedLatency`.
  package let added = Histogram()
  /// What the loop did between two waits: whoever became ready meanwhile had to wait for it.
  package let turn = Histogram()
  /// Of the last ten seconds.
  package let longestTurn = RecentMaximum()

  package init() {}
}

/// An exchange's time in the edge's hands: from the request's end until an upstream's connection has it, and from the
/// answer's first byte until its client's connection takes it. Measured from the turn in which the loop saw the bytes, and
/// of some exchanges only, because the clock is read for it.
struct AddedLatency {
  private var since: Int64 = 0
  private var isMeasured = false
  private(set) var microseconds: Int64 = 0

  var isRunning: Bool { since != 0 }

  mutating func measure(from now: Int64) {
    isMeasured = true
    since = now
  }

  mutating func goOn(from now: Int64) {
    if isMeasured { since = now }
  }

  mutating func pause(at now: Int64) {
    guard since != 0 else { return }
    microseconds += max(0, now - since)
    since = 0
  }
}
