// The key under which secrets lie in the database: AES-256-GCM, each bound to what it belongs to.

import Crypto
import Foundation
import StraitProtocol

package struct KeyEncryptionKey: Sendable, CustomStringConvertible, CustomReflectable {
  private let key: SymmetricKey

  /// - Parameter bytes: 32 random bytes
  package init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    key = SymmetricKey(data: bytes)
  }

  package static func randomBytes() -> [UInt8] {
    SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
  }

  /// - Returns: a format byte, the nonce, the ciphertext and the tag
  package func seal(_ secret: [UInt8], for subject: SealedSubject) throws -> [UInt8] {
    let box = try AES.GCM.seal(secret, using: key, authenticating: subject.bytes)
    guard let combined = box.combined else { throw SealFault(subject: subject) }
    return [Self.format] + combined
  }

  package func open(_ sealed: [UInt8], for subject: SealedSubject) throws -> [UInt8] {
    guard sealed.first == Self.format else { throw SealFault(subject: subject) }
    do {
      let box = try AES.GCM.SealedBox(combined: sealed.dropFirst())
      return Array(try AES.GCM.open(box, using: key, authenticating: subject.bytes))
    } catch {
      throw SealFault(subject: subject)
    }
  }

  private static let format: UInt8 = 1

  package var description: String { "(key-encryption key)" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// What a sealed secret belongs to: it is authenticated, so that a row's secret cannot be moved to another row.
package enum SealedSubject: Sendable, CustomStringConvertible {
  case authorityKey
  case upstreamCredential(UpstreamID)

  package var description: String {
    switch self {
    case .authorityKey: "the certificate authority's key"
    case .upstreamCredential(let id): "the credential of upstream \(id)"
    }
  }

  fileprivate var bytes: [UInt8] {
    switch self {
    case .authorityKey: Array("strait/authority-key".utf8)
    case .upstreamCredential(let id): Array("strait/upstream/\(id)".utf8)
    }
  }
}

/// The secret was sealed under another key, or was changed.
package struct SealFault: Error, CustomStringConvertible {
  package let subject: SealedSubject

  package var description: String {
    "the key-encryption key does not open \(subject): put back the key-encryption-key file that this database was made with"
  }
}
