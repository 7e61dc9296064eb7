// A certificate authority that lives as long as a test.

import Crypto
import Foundation
import GRPCNIOTransportHTTP2
import StraitProtocol
import SwiftASN1
import X509

struct TestAuthority: Sendable {
  let key = P256.Signing.PrivateKey()
  let certificate: Certificate
  private let name: DistinguishedName

  init() throws {
    name = try DistinguishedName { CommonName("authority of a test") }
    certificate = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: Certificate.PrivateKey(key).publicKey,
      notValidBefore: Date(timeIntervalSinceNow: -60), notValidAfter: Date(timeIntervalSinceNow: 86_400),
      issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
      },
      issuerPrivateKey: Certificate.PrivateKey(key))
  }

  var pem: String {
    get throws { try certificate.serializeAsPEM().pemString + "\n" }
  }

  /// A certificate for a key: with the names of this machine for a server, without any for an edge.
  /// - Parameters:
  ///   - seconds: how long it is good from now on
  ///   - age: for how many seconds it has been good
  func issue(
    to publicKey: Certificate.PublicKey, isServer: Bool, seconds: Double = 86_400, age: Double = 0,
    name edge: EdgeName? = nil
  ) throws -> Certificate {
    try Certificate(
      version: .v3, serialNumber: .init(), publicKey: publicKey,
      notValidBefore: Date(timeIntervalSinceNow: -age - Double(EdgeCertificate.clockSkewSeconds)),
      notValidAfter: Date(timeIntervalSinceNow: seconds), issuer: name,
      subject: try DistinguishedName { CommonName(isServer ? "server" : "edge") },
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        if let edge { SubjectAlternativeNames([.uniformResourceIdentifier(edge.uri)]) }
        if isServer {
          SubjectAlternativeNames([
            .dnsName("localhost"), .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])),
          ])
        }
      },
      issuerPrivateKey: Certificate.PrivateKey(key))
  }
}

extension Certificate {
  var der: [UInt8] {
    get throws {
      var serializer = DER.Serializer()
      try serializer.serialize(self)
      return serializer.serializedBytes
    }
  }
}
