// What an edge says that it holds at a version.

import Foundation

package struct ContentClaim: Sendable, Equatable {
  package let version: UInt64
  package let hash: Data
  /// Since 1970; keys that end before it are left out.
  package let fromDay: UInt32

  /// - Returns: nil from an edge that does not say, or not as the contract has it
  package init?(_ version: UInt64, _ hash: Data, fromDay day: UInt32) {
    guard version > 0, hash.count == 32 else { return nil }
    self.version = version
    self.hash = hash
    fromDay = day
  }

  /// For the fleet view, where it holds something else.
  package static func doubt(_ version: UInt64) -> String {
    "what it holds at version \(version) is not what that version has; everything is sent to it again"
  }
}
