// A certificate asked for, and what comes back.

import Crypto
import FoundationEssentials
import SwiftASN1
import X509

enum CertificateRequest {
  /// PKCS #10 in DER form. The control plane decides on the names; what stands here is for whoever looks at a request.
  static func der(for key: P256.Signing.PrivateKey) throws -> Data {
    let request = try CertificateSigningRequest(
      version: .v1, subject: DistinguishedName { CommonName("strait edge") },
      privateKey: Certificate.PrivateKey(key), attributes: CertificateSigningRequest.Attributes())
    var serializer = DER.Serializer()
    try serializer.serialize(request)
    return Data(serializer.serializedBytes)
  }

  /// The chain that came, leaf first, as PEM.
  static func chainPEM(_ chainDER: [Data], for key: P256.Signing.PrivateKey) throws -> String {
    let chain: [Certificate]
    do {
      chain = try chainDER.map { try Certificate(derEncoded: Array($0)) }
    } catch {
      throw UplinkError.unusableEnrolment(reason: "a certificate cannot be read")
    }
    guard let leaf = chain.first, leaf.publicKey == Certificate.PrivateKey(key).publicKey else {
      throw UplinkError.unusableEnrolment(reason: "the certificate is not for this edge's key")
    }
    return try chain.map { try $0.serializeAsPEM().pemString }.joined(separator: "\n") + "\n"
  }
}
