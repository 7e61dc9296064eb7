// Which records of a batch are new, given how far its epoch has come and what was lost on the way.

/// The decision about one batch: a value, worked out before anything is stored.
///
/// An epoch's records are known by a watermark and by losses below it: what is at or under the watermark has been
/// stored, but for the losses. A batch that begins beyond the watermark says that what lies between was lost. Should
/// those records come after all (a batch that overtook another, an edge that found a segment again, a database that
/// failed over to an older state), they fill the loss and are stored, once.
package struct BatchAdmission: Sendable, Equatable {
  /// The watermark after the batch.
  package let watermark: Int64
  /// What this batch showed to be lost.
  package let gap: ClosedRange<Int64>?
  /// Losses that stood and stand no longer, or no longer in the same bounds.
  package let closedLosses: [ClosedRange<Int64>]
  /// Losses that stand from now on: the gap, and what is left of those that were closed.
  package let openedLosses: [ClosedRange<Int64>]

  private let fresh: ClosedRange<Int64>?
  private let filled: [ClosedRange<Int64>]

  /// - Parameter first: the number of the batch's first record, at least 1
  package init(watermark: Int64, losses: [ClosedRange<Int64>], first: Int64, count: Int64) {
    let last = first + count - 1
    gap = first > watermark + 1 && count > 0 ? watermark + 1...first - 1 : nil
    fresh = last > watermark && count > 0 ? max(first, watermark + 1)...last : nil
    self.watermark = max(watermark, fresh?.upperBound ?? watermark)
    let touched = losses.filter { count > 0 && $0.overlaps(first...last) }
    filled = touched.map { $0.clamped(to: first...last) }
    closedLosses = touched
    var opened: [ClosedRange<Int64>] = []
    for loss in touched {
      if loss.lowerBound < first { opened.append(loss.lowerBound...first - 1) }
      if loss.upperBound > last { opened.append(last + 1...loss.upperBound) }
    }
    openedLosses = opened + (gap.map { [$0] } ?? [])
  }

  package func takes(_ sequence: Int64) -> Bool {
    fresh?.contains(sequence) == true || filled.contains { $0.contains(sequence) }
  }
}
