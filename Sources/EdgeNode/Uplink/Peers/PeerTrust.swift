// Whom an edge takes for another edge of its region: whoever holds a good certificate of the control plane's authority
// that names one. Certificates of edges have no host name, so the name in them is checked here.

import FoundationEssentials
import GRPCNIOTransportHTTP2
import NIOCore
import NIOSSL
import StraitProtocol
import X509

struct PeerTrust: Sendable {
  let region: String
  let authorityFile: String

  /// For the side that connects: the other side's chain and name, in place of a check of its host name.
  func verification() throws
    -> @Sendable (
      [NIOSSLCertificate], EventLoopPromise<NIOSSLVerificationResultWithMetadata>
    ) -> Void
  {
    let authority = try roots()
    return { [region] certificates, promise in
      promise.completeWithTask {
        guard let leaf = try certificates.first.map({ try Certificate(derEncoded: $0.toDERBytes()) }),
          Self.isEdge(leaf, of: region)
        else { return .failed }
        let others = try certificates.dropFirst().map { try Certificate(derEncoded: $0.toDERBytes()) }
        var verifier = Verifier(rootCertificates: CertificateStore(authority)) { RFC5280Policy() }
        let result = await verifier.validate(leaf: leaf, intermediates: CertificateStore(others))
        guard case .validCertificate = result else { return .failed }
        return .certificateVerified(VerificationMetadata(nil))
      }
    }
  }

  /// Whether the certificate names an edge of the region, and nothing else.
  static func isEdge(_ certificate: Certificate, of region: String) -> Bool {
    guard let names = try? certificate.extensions.subjectAlternativeNames, names.count == 1,
      case .uniformResourceIdentifier(let uri)? = names.first
    else { return false }
    return EdgeName(uri: uri)?.region == region
  }

  private func roots() throws -> [Certificate] {
    let certificates = try NIOSSLCertificate.fromPEMFile(authorityFile)
    return try certificates.map { try Certificate(derEncoded: $0.toDERBytes()) }
  }
}
