// The control plane's own certificate authority: it vouches for edges, and for the control link's servers.

import Crypto
import Foundation
import StraitProtocol
import SwiftASN1
import X509

package struct CertificateAuthority: Sendable, CustomStringConvertible, CustomReflectable {
  package let certificate: Certificate
  private let key: P256.Signing.PrivateKey

  package static let commonName = "Strait control plane CA"

  /// A new authority with a key of its own.
  package static func make(now: Moment) throws -> CertificateAuthority {
    let key = P256.Signing.PrivateKey()
    let name = try DistinguishedName { CommonName(commonName) }
    let certificate = try Certificate(
      version: .v3,
      serialNumber: Certificate.SerialNumber(),
      publicKey: .init(key.publicKey),
      notValidBefore: now.adding(seconds: -EdgeCertificate.clockSkewSeconds).date,
      notValidAfter: now.adding(seconds: Validity.certificateAuthorityDays * 86_400).date,
      issuer: name,
      subject: name,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(keyCertSign: true, cRLSign: true))
        SubjectKeyIdentifier(hash: .init(key.publicKey))
      },
      issuerPrivateKey: .init(key))
    return CertificateAuthority(certificate: certificate, key: key)
  }

  package init(certificateDER: [UInt8], keyDER: [UInt8]) throws {
    self.init(
      certificate: try Certificate(derEncoded: certificateDER),
      key: try P256.Signing.PrivateKey(derRepresentation: keyDER))
  }

  private init(certificate: Certificate, key: P256.Signing.PrivateKey) {
    self.certificate = certificate
    self.key = key
  }

  package var keyDER: [UInt8] { Array(key.derRepresentation) }

  package var description: String { "(certificate authority)" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }

  /// Certifies an edge's key. The subject and the extensions of the request are the edge's wishes; none is taken over.
  package func issue(
    for identity: EdgeIdentity, request: EdgeCertificateRequest, now: Moment,
    seconds: Int = Validity.edgeCertificateSeconds
  ) throws -> (certificate: Certificate, expiresAt: Moment) {
    let expiresAt = now.adding(seconds: seconds)
    let certificate = try issue(
      publicKey: request.publicKey, commonName: identity.edge.description,
      names: [.uniformResourceIdentifier(identity.uri)],
      // Towards edges of its region it is a server too. Its certificate has no host name, so that nobody takes it for
      // the control plane.
      usages: [.clientAuth, .serverAuth], from: now, until: expiresAt)
    return (certificate, expiresAt)
  }

  /// A key and a certificate for a server of the control link.
  /// - Parameter names: DNS names and IP addresses
  package func issueServer(names: [String], now: Moment) throws -> ServerCredentials {
    let key = P256.Signing.PrivateKey()
    let certificate = try issue(
      publicKey: .init(key.publicKey), commonName: names.first ?? "control-plane",
      names: names.map(Self.generalName), usages: [.serverAuth], from: now,
      until: now.adding(seconds: Validity.serverCertificateDays * 86_400))
    return ServerCredentials(
      chainDER: [try certificate.derBytes()], keyDER: Array(key.derRepresentation),
      authorityDER: try self.certificate.derBytes())
  }

  private func issue(
    publicKey: Certificate.PublicKey, commonName: String, names: [GeneralName],
    usages: [ExtendedKeyUsage.Usage],
    from now: Moment, until expiresAt: Moment
  ) throws -> Certificate {
    try Certificate(
      version: .v3,
      serialNumber: Certificate.SerialNumber(),
      publicKey: publicKey,
      notValidBefore: now.adding(seconds: -EdgeCertificate.clockSkewSeconds).date,
      notValidAfter: expiresAt.date,
      issuer: certificate.subject,
      subject: try DistinguishedName { CommonName(String(commonName.prefix(64))) },
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage(usages)
        SubjectAlternativeNames(names)
        AuthorityKeyIdentifier(keyIdentifier: SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier)
      },
      issuerPrivateKey: .init(key))
  }

  private static func generalName(_ text: String) -> GeneralName {
    if let bytes = addressBytes(text) { return .ipAddress(ASN1OctetString(contentBytes: bytes[...])) }
    return .dnsName(text)
  }
}

/// What a TLS server of the control link presents, and whom it trusts.
package struct ServerCredentials: Sendable, CustomStringConvertible, CustomReflectable {
  package let chainDER: [[UInt8]]
  package let keyDER: [UInt8]
  package let authorityDER: [UInt8]

  package var description: String { "(server credentials)" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A certificate request whose signature proves that the asker holds the key, which is a P-256 key.
package struct EdgeCertificateRequest: Sendable {
  package let publicKey: Certificate.PublicKey
  /// What the key is known by.
  package let keyDigest: Digest
  package static let maximumBytes = 16 * 1024

  package init(der: [UInt8]) throws(Refusal) {
    guard (1...Self.maximumBytes).contains(der.count), let request = Self.parse(der) else {
      throw .invalid("the certificate request is not PKCS #10 in DER form")
    }
    guard let keyDigest = Self.digest(of: request.publicKey) else {
      throw .invalid(
        "the certificate request is for a key that is not of P-256", hint: "make a P-256 key for the edge")
    }
    guard request.publicKey.isValidSignature(request.signature, for: request) else {
      throw .invalid("the certificate request is not signed by its own key")
    }
    publicKey = request.publicKey
    self.keyDigest = keyDigest
  }

  /// - Returns: nothing for a key that is not of P-256
  package static func digest(of key: Certificate.PublicKey) -> Digest? {
    P256.Signing.PublicKey(key).map { Digest(bytes: Array(SHA256.hash(data: $0.derRepresentation))) }
  }

  private static func parse(_ der: [UInt8]) -> CertificateSigningRequest? {
    do { return try CertificateSigningRequest(derEncoded: der) } catch { return nil }
  }
}

extension Certificate {
  package func derBytes() throws -> [UInt8] {
    var serializer = DER.Serializer()
    try serializer.serialize(self)
    return serializer.serializedBytes
  }

  /// The edge that this certificate names, where it names exactly one.
  package var edgeIdentity: EdgeIdentity? {
    do {
      let uris = try extensions.subjectAlternativeNames?.compactMap { name in
        if case .uniformResourceIdentifier(let uri) = name { uri } else { nil }
      }
      guard let uris, uris.count == 1 else { return nil }
      return EdgeIdentity(uri: uris[0])
    } catch {
      return nil
    }
  }
}
