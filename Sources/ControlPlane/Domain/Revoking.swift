// What a change takes away, as far as the revocation lane is concerned.

import StraitProtocol

/// A revocation that a change asks for; its number and version come with the change's own.
package struct Revoking: Sendable, Equatable {
  package let subject: RevocationSubject
  /// How many good keys it takes away.
  package let keyCount: Int
  /// Somebody has said a second time that so many keys go.
  package let isConfirmed: Bool

  package init(_ subject: RevocationSubject, keyCount: Int, isConfirmed: Bool) {
    self.subject = subject
    self.keyCount = keyCount
    self.isConfirmed = isConfirmed
  }
}
