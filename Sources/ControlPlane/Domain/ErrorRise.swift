// Whether exchanges began to fail. A decision over counts: none of them is a proof, so small numbers decide nothing.

/// What speaks for a fault in a new version.
package enum ErrorRise {
  /// So many failures are needed before anything is said.
  static let minimumFailed: UInt64 = 3
  /// The share of failures may grow by so much for no reason.
  static let margin = 0.05

  /// - Parameters:
  ///   - before: what ended at the edges in the time before they had the version
  ///   - during: what ended since
  /// - Returns: the finding in words, or nothing where failures did not rise
  package static func finding(before: ExchangeCounts, during: ExchangeCounts) -> String? {
    guard during.failed >= minimumFailed, during.ended > 0 else { return nil }
    let usual = share(before)
    let now = share(during)
    // Two standard errors of a share that is counted over so few exchanges.
    let chance = 2 * (usual * (1 - usual) / Double(during.ended)).squareRoot()
    guard now > usual + margin + chance else { return nil }
    return "\(during.failed) of \(during.ended) exchanges failed, where \(percent(usual)) failed before"
  }

  private static func share(_ counts: ExchangeCounts) -> Double {
    counts.ended == 0 ? 0 : min(1, Double(counts.failed) / Double(counts.ended))
  }

  private static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
}
