// When to ask again a disk that has refused.

/// Doubling waits between attempts. Decides only; `now` is passed in.
struct DiskRetry {
  private var notBefore: Double = 0
  private var waitSeconds: Double = 0

  func allows(_ now: Double) -> Bool { now >= notBefore }

  /// - Returns: true for the first refusal in a row, which is the one to report
  mutating func refused(_ now: Double, limits: SpoolLimits) -> Bool {
    let isFirst = waitSeconds == 0
    let doubled = isFirst ? Double(limits.retryMilliseconds) / 1000 : waitSeconds * 2
    waitSeconds = min(doubled, Double(limits.retryMaximumMilliseconds) / 1000)
    notBefore = now + waitSeconds
    return isFirst
  }

  /// - Returns: true when it follows a refusal
  mutating func succeeded() -> Bool {
    let followsRefusal = waitSeconds > 0
    waitSeconds = 0
    notBefore = 0
    return followsRefusal
  }
}
