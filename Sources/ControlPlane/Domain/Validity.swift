// How long what the control plane hands out is good for.

package enum Validity {
  package static let certificateAuthorityDays = 3650
  package static let edgeCertificateSeconds = 30 * 86_400
  package static let edgeCertificateRange = 5...90 * 86_400
  /// The control link's own certificate is made anew at every start, and when half of its time is over.
  package static let serverCertificateDays = 365

  package static let joinTokenSeconds = 3600
  package static let joinTokenRange = 60...7 * 86_400
  package static let keyRange = 1...10 * 365 * 86_400

  /// - Returns: the asked-for length where it is in range, the default where none was asked for
  package static func seconds(
    _ asked: Int?, default fallback: Int, in range: ClosedRange<Int>
  ) throws(Refusal) -> Int {
    guard let asked else { return fallback }
    guard range.contains(asked) else {
      throw .invalid(
        "valid_seconds is \(asked)", hint: "use a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return asked
  }
}
