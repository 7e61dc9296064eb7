// What the control plane's answer to a batch means.

/// A batch that was sent, with what is known of its epoch.
package struct Shipment: Sendable, Equatable {
  package var batch: ClosedRange<UInt64>
  /// The watermark before this batch.
  package var watermark: UInt64
  /// The highest number that this process has sent of the epoch.
  package var highestSent: UInt64
  /// For an epoch of a former process: the highest number that it wrote. What it had shipped is not remembered, so the
  /// control plane may be ahead of what was sent now. nil for the present epoch.
  package var formerEnd: UInt64?

  package init(batch: ClosedRange<UInt64>, watermark: UInt64, highestSent: UInt64, formerEnd: UInt64?) {
    self.batch = batch
    self.watermark = watermark
    self.highestSent = highestSent
    self.formerEnd = formerEnd
  }

  package enum Verdict: Equatable {
    /// Committed up to and including this number, which may be beyond the batch: go on behind it.
    case advance(UInt64)
    /// Committed only so far, less than was sent: go on behind it, after a pause.
    case sendAgain(behind: UInt64)
    /// Committed less than it said before, so it has lost commits, of this epoch at least: go back to the start of all that
    /// is kept, after a pause.
    case goBack(behind: UInt64)
    /// It claims records that it was never sent: believe nothing, keep everything.
    case disbelieve
  }

  /// - Parameter sequence: everything up to and including it is committed, says the control plane
  package func judge(committed sequence: UInt64) -> Verdict {
    if sequence < watermark { return .goBack(behind: sequence) }
    if sequence < batch.upperBound { return .sendAgain(behind: sequence) }
    if sequence <= max(highestSent, formerEnd ?? 0) { return .advance(sequence) }
    // The end of a former epoch may be lost with the power after it was shipped; then only what was sent now counts.
    return formerEnd == nil ? .disbelieve : .advance(batch.upperBound)
  }
}
