// Tokens that the control plane makes: 256 random bits behind a prefix that scanners can find. Stored as digests only;
// 256 random bits need no slow hash.

import Crypto
import Foundation

/// An operator's or an edge's secret, shown once.
package struct BearerToken: Sendable, CustomStringConvertible, CustomReflectable {
  package enum Purpose: String, Sendable {
    case operate = "sto-"
    case join = "stj-"
  }

  /// The secret itself. Only ever goes to the person who asked for it.
  package let secret: String

  package static func generate(for purpose: Purpose) -> BearerToken {
    let key = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }
    let text = key.base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    return BearerToken(secret: purpose.rawValue + text)
  }

  /// - Returns: nothing where the text does not have the form of such a token
  package init?(_ text: some StringProtocol, for purpose: Purpose) {
    guard text.hasPrefix(purpose.rawValue), text.utf8.count == purpose.rawValue.utf8.count + 43 else {
      return nil
    }
    self.init(secret: String(text))
  }

  private init(secret: String) {
    self.secret = secret
  }

  package var digest: Digest { Digest(of: secret) }

  package var description: String { "(token)" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// The SHA-256 digest of a secret, compared in constant time.
package struct Digest: Sendable, Equatable {
  package let bytes: [UInt8]

  package init(of secret: String) {
    bytes = Array(SHA256.hash(data: Data(secret.utf8)))
  }

  package init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  package static func == (left: Digest, right: Digest) -> Bool {
    guard left.bytes.count == right.bytes.count else { return false }
    return zip(left.bytes, right.bytes).reduce(UInt8(0)) { $0 | $1.0 ^ $1.1 } == 0
  }
}
