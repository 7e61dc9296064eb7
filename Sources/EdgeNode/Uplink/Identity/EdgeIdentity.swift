// Who this edge is: what the rest of the edge may know, and the secrets behind it.

import Crypto
import FoundationEssentials
import GRPCNIOTransportHTTP2
import StraitProtocol

/// Who this edge is, as the control plane said at enrolment.
package struct EdgeIdentity: Sendable, Equatable {
  package var edge: EdgeID
  package var region: String
  /// From when the certificate counts, which is some time before it was made.
  package var certificateBegins: Date
  /// When the certificate ends.
  package var certificateExpires: Date

  var hasEnded: Bool { certificateExpires <= Date() }
}

/// The edge's key and certificate. Does not print.
final class EdgeCredentials: Sendable, CustomStringConvertible, CustomReflectable {
  private let key: P256.Signing.PrivateKey
  private let chainPEM: String
  /// The key under which this edge seals its files. It stays when the edge's own key is renewed.
  let snapshotKey: SymmetricKey

  init(key: P256.Signing.PrivateKey, chainPEM: String, snapshotKey: SymmetricKey) {
    self.key = key
    self.chainPEM = chainPEM
    self.snapshotKey = snapshotKey
  }

  var certificateChain: [TLSConfig.CertificateSource] { [.bytes(Array(chainPEM.utf8), format: .pem)] }
  var privateKey: TLSConfig.PrivateKeySource { .bytes(Array(key.pemRepresentation.utf8), format: .pem) }

  /// The sealing key of an edge whose own key is still its first. It follows from that key, so that a copy of the
  /// snapshot alone opens nothing.
  static func firstSnapshotKey(of key: P256.Signing.PrivateKey) -> SymmetricKey {
    HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: key.rawRepresentation), salt: Data("strait.edge".utf8),
      info: Data("configuration snapshot, version 1".utf8), outputByteCount: 32)
  }

  var description: String { "credentials" }
  var customMirror: Mirror { Mirror(self, children: []) }
}
