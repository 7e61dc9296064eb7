import ControlPlaneCore
import Crypto
import Foundation
import GRPCCore
import Postgres
import StraitControlLink
import StraitProtocol
import Testing
import X509

@Suite("Renewal")
struct RenewalTests {
  @Test("gives the same edge a certificate for a fresh key, and the fleet view its end")
  func story() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      try await running.pool.query("UPDATE edges SET certificate_expires_at = now()")
      let renewed = try await edge.renewed(running)
      let certificate = try Certificate(derEncoded: renewed.chainDER[0])
      #expect(certificate.edgeIdentity?.edge == edge.id)
      #expect(certificate.edgeIdentity?.region.text == "eu-west")
      #expect(renewed.keyDER != edge.keyDER)
      #expect(try await renewed.ship(running, .of(epoch: 1, first: 1, [.sample()])) == 1)
      let listed = try #require(try await FleetStore.list(on: running.pool).first)
      #expect(listed.softwareVersion == "0.0.2-test")
      #expect(
        Moment(rfc3339: listed.certificateExpiresAt)?.date.timeIntervalSince(certificate.notValidAfter)
          .magnitude ?? 9 < 2)
      // Asked again with the same key, as when the answer was lost.
      _ = try await edge.renewed(running, with: P256.Signing.PrivateKey(derRepresentation: renewed.keyDER))
    }
  }

  @Test("does not give an edge another edge's key")
  func stolen() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let (edge, other) = (try await TestEdge.enrolled(running), try await TestEdge.enrolled(running))
      let error = await #expect(throws: RPCError.self) {
        try await edge.renewed(running, with: P256.Signing.PrivateKey(derRepresentation: other.keyDER))
      }
      #expect(error?.code == .alreadyExists)
    }
  }

  @Test("a renewed key brings the edge back with a new token, and so does the one before")
  func readmitted() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      let renewed = try await edge.renewed(running)
      for der in [edge.keyDER, renewed.keyDER] {
        let key = try P256.Signing.PrivateKey(derRepresentation: der)
        let back = try await TestEdge.enrol(
          running, token: TestEdge.joinToken(running), requestDER: TestEdge.certificateRequest(for: key),
          key: key)
        #expect(back.id == edge.id)
      }
    }
  }

  @Test("a stream ends with the certificate that it was opened with, and an ended certificate opens none")
  func ended() async throws {
    try await withControlPlane(edgeCertificateSeconds: 20) { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      let error = await #expect(throws: RPCError.self) { try await edge.follow(running) { _, _ in false } }
      #expect(error?.code == .permissionDenied)
      #expect(error?.message.contains("certificate has ended") == true)
      #expect(error?.isEviction == false)
      await #expect(throws: RPCError.self) { try await edge.shipOnce(running) }
    }
  }

  @Test("certificates of edges and of the control link count for clocks that are an hour behind")
  func clocks() throws {
    let authority = try CertificateAuthority.make(now: .now)
    let identity = EdgeIdentity(edge: .none, region: try ResourceName("eu-west", of: "region"))
    let request = try EdgeCertificateRequest(der: TestEdge.certificateRequest(for: P256.Signing.PrivateKey()))
    let edge = try authority.issue(for: identity, request: request, now: .now).certificate
    let server = try authority.issueServer(names: ["localhost"], now: .now)
    for certificate in [authority.certificate, edge, try Certificate(derEncoded: server.chainDER[0])] {
      #expect(certificate.notValidBefore < Date(timeIntervalSinceNow: -3600))
      #expect(certificate.notValidAfter > Date(timeIntervalSinceNow: 3600))
    }
  }

  @Test("the time for it is two thirds into what the certificate was given, whatever the clocks allow for")
  func time() {
    // Given at 10,000 for 30,000 seconds, and valid from 2 hours before: 10,000 + 20,000.
    #expect(EdgeCertificate.renewal(from: 2_800, until: 40_000) == 30_000)
    // One that was over before it began is due at its end.
    #expect(EdgeCertificate.renewal(from: 2_800, until: 5_000) == 5_000)
  }
}

extension TestEdge {
  /// A connection that is refused would be tried again for ever, so the call has an end.
  fileprivate func shipOnce(_ running: RunningControlPlane) async throws {
    var options = CallOptions.defaults
    options.timeout = .seconds(5)
    try await withLink(port: running.ports.link, security: security) { [options] client in
      _ = try await WireUsage.Client(wrapping: client).ship(
        .of(epoch: 1, first: 1, [.sample()]), options: options)
    }
  }
}
