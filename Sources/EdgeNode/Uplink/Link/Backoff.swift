// How long to wait before the next attempt.

import StraitProtocol

/// Doubling waits with jitter, so that a fleet that lost its centre does not come back all at once.
package struct Backoff {
  private let first: Double
  private let maximum: Double
  private var next: Double

  package init(firstMilliseconds: Int, maximumMilliseconds: Int) {
    first = Double(firstMilliseconds)
    maximum = Double(maximumMilliseconds)
    next = first
  }

  init(_ limits: UplinkLimits) {
    self.init(
      firstMilliseconds: limits.reconnectMilliseconds,
      maximumMilliseconds: limits.reconnectMaximumMilliseconds)
  }

  /// The next wait: between a half and the whole of the doubling value.
  package mutating func wait(using generator: inout some RandomNumberGenerator) -> Duration {
    let milliseconds = Double.random(in: next / 2...next, using: &generator)
    next = min(next * 2, maximum)
    return .microseconds(Int64(milliseconds * 1000))
  }

  package mutating func reset() {
    next = first
  }

  /// Waits. Returns early when the task is cancelled, which the caller's loop notices.
  mutating func pause() async {
    var generator = SystemRandomNumberGenerator()
    let duration = wait(using: &generator)
    do { try await Task.sleep(for: duration) } catch {}
  }
}
