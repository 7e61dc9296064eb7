// Tells whether a part of a value is still what it was, without looking at it.

import Synchronization

/// Two values with the same revision of a part have the same part. The opposite does not follow.
package struct Revision: Equatable, BitwiseCopyable, Sendable {
  private static let made = Atomic<UInt64>(0)
  private let number: UInt64

  /// Of what is as it is in the beginning: empty.
  package static let initial = Revision(number: 0)

  /// One that nothing else has.
  package static func new() -> Revision {
    Revision(number: made.add(1, ordering: .relaxed).newValue)
  }

  private init(number: UInt64) {
    self.number = number
  }
}
