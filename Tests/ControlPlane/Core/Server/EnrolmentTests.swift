import ControlPlaneCore
import Crypto
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import Postgres
import StraitControlLink
import StraitProtocol
import SwiftASN1
import Testing
import X509

@Suite("Enrolment and identity")
struct EnrolmentTests {
  @Test("a join token and a request give a certificate that opens the control link")
  func story() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      #expect(edge.region == "eu-west")
      let certificate = try Certificate(derEncoded: edge.chainDER[0])
      #expect(certificate.edgeIdentity?.uri == "spiffe://strait/region/eu-west/edge/\(edge.id)")
      #expect(try await edge.ship(running, .of(epoch: 1, first: 1, [.sample()])) == 1)
      let listed = try await FleetStore.list(on: running.pool)
      #expect(listed.map(\.id) == [edge.id.description])
      #expect(listed.first?.baseURL == "https://edge.test")
    }
  }

  @Test("a token is good once, even for many at once")
  func once() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let token = try await TestEdge.joinToken(running)
      let admitted = await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<5 {
          group.addTask {
            do {
              _ = try await TestEdge.enrol(running, token: token)
              return true
            } catch {
              return false
            }
          }
        }
        return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(admitted == 1)
      #expect(try await FleetStore.list(on: running.pool).count == 1)
    }
  }

  @Test("used, expired, unknown and malformed tokens are refused with what to do")
  func refusedTokens() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let used = try await TestEdge.joinToken(running)
      _ = try await TestEdge.enrol(running, token: used)
      let expired = try await TestEdge.joinToken(running)
      try await running.pool.query(
        "UPDATE join_tokens SET expires_at = now() - interval '1 second' WHERE used_at IS NULL")
      for (token, words) in [
        (used, "used already"), (expired, "expired"), ("stj-" + String(repeating: "A", count: 43), "unknown"),
        ("", "unknown"), (try running.operatorToken(), "unknown"),
      ] {
        let error = await #expect(throws: RPCError.self) { try await TestEdge.enrol(running, token: token) }
        #expect(error?.code == .permissionDenied)
        #expect(error?.message.contains(words) == true)
        #expect(token.isEmpty || error?.message.contains(token) == false)
      }
    }
  }

  @Test(
    "a request that is not signed by its key, or is for another kind of key, is refused and leaves the token good"
  )
  func refusedRequests() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let token = try await TestEdge.joinToken(running)
      let key = P256.Signing.PrivateKey()
      var broken = try TestEdge.certificateRequest(for: key)
      broken[broken.count - 1] ^= 1
      for bytes in [[], [0x30, 0x00], broken, try Self.request(for: P384.Signing.PrivateKey())] {
        let error = await #expect(throws: RPCError.self) {
          try await TestEdge.enrol(running, token: token, requestDER: bytes, key: key)
        }
        #expect(error?.code == .invalidArgument)
      }
      _ = try await TestEdge.enrol(running, token: token)
    }
  }

  @Test("the edge's certificate says what the token says, not what the request asks for")
  func wishes() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let key = P256.Signing.PrivateKey()
      let asked = try CertificateSigningRequest(
        version: .v1, subject: try DistinguishedName { CommonName("root") }, privateKey: .init(key),
        attributes: .init([
          .init(
            ExtensionRequest(
              extensions: try Certificate.Extensions {
                SubjectAlternativeNames([
                  .uniformResourceIdentifier("spiffe://strait/region/us-east/edge/\(EdgeID(high: 1, low: 2))")
                ])
              }))
        ]), signatureAlgorithm: .ecdsaWithSHA256)
      var serializer = DER.Serializer()
      try serializer.serialize(asked)
      let token = try await TestEdge.joinToken(running)
      let edge = try await TestEdge.enrol(
        running, token: token, requestDER: serializer.serializedBytes, key: key)
      let certificate = try Certificate(derEncoded: edge.chainDER[0])
      #expect(
        certificate.edgeIdentity
          == EdgeIdentity(edge: edge.id, region: try ResourceName("eu-west", of: "region")))
    }
  }

  @Test("without a certificate, or with one of another authority, the control link is closed")
  func strangers() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      let batch = WireUsageBatch.of(epoch: 1, first: 1, [.sample()])
      let anonymous = HTTP2ClientTransport.Posix.TransportSecurity.tls { tls in
        tls.trustRoots = .certificates([.bytes(edge.authorityDER, format: .der)])
      }
      let foreign = try CertificateAuthority.make(now: .now)
      let key = P256.Signing.PrivateKey()
      let identity = EdgeIdentity(edge: edge.id, region: try ResourceName("eu-west", of: "region"))
      let forged = try foreign.issue(
        for: identity, request: try EdgeCertificateRequest(der: TestEdge.certificateRequest(for: key)),
        now: .now)
      let stranger = TestEdge(
        id: edge.id, region: "eu-west", chainDER: [try forged.certificate.derBytes()],
        keyDER: Array(key.derRepresentation), authorityDER: edge.authorityDER)
      for security in [anonymous, stranger.security] {
        await #expect(throws: RPCError.self) { try await Self.ship(batch, running, security) }
      }
      // The control: the same call with the right certificate goes through.
      #expect(try await edge.ship(running, batch) == 1)
    }
  }

  @Test("an enrolment whose answer was lost gives the same edge to the same token and key, and to no other")
  func repeated() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let (token, key) = (try await TestEdge.joinToken(running), P256.Signing.PrivateKey())
      let request = try TestEdge.certificateRequest(for: key)
      let lost = try await TestEdge.enrol(running, token: token, requestDER: request, key: key)
      let again = try await TestEdge.enrol(running, token: token, requestDER: request, key: key)
      #expect(again.id == lost.id)
      #expect(try await FleetStore.list(on: running.pool).count == 1)
      #expect(try await again.ship(running, .of(epoch: 1, first: 1, [.sample()])) == 1)
      let error = await #expect(throws: RPCError.self) { try await TestEdge.enrol(running, token: token) }
      #expect(error?.message.contains("used already") == true)
      // Not for ever: a used token is worth nothing once its time is over.
      try await running.pool.query("UPDATE join_tokens SET expires_at = now() - interval '1 second'")
      let late = await #expect(throws: RPCError.self) {
        try await TestEdge.enrol(running, token: token, requestDER: request, key: key)
      }
      #expect(late?.message.contains("expired") == true)
    }
  }

  @Test("an edge that comes back with its key and a new token of its region is the same edge")
  func readmitted() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let (first, key) = (try await TestEdge.joinToken(running), P256.Signing.PrivateKey())
      let request = try TestEdge.certificateRequest(for: key)
      let edge = try await TestEdge.enrol(running, token: first, requestDER: request, key: key)
      let elsewhere = try await TestEdge.joinToken(running, region: "us-east")
      let error = await #expect(throws: RPCError.self) {
        try await TestEdge.enrol(running, token: elsewhere, requestDER: request, key: key)
      }
      #expect(error?.message.contains("edge of eu-west, and the join token is for us-east") == true)
      let second = try await TestEdge.joinToken(running)
      let back = try await TestEdge.enrol(running, token: second, requestDER: request, key: key)
      #expect(back.id == edge.id)
      #expect(try await FleetStore.list(on: running.pool).count == 1)
    }
  }

  @Test("an edge that the database does not know is refused, and is not told that it was evicted")
  func unknown() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      try await running.pool.query("DELETE FROM edge_keys")
      try await running.pool.query("DELETE FROM join_tokens")
      try await running.pool.query("DELETE FROM edges WHERE id = $1", edge.id)
      let refused = await #expect(throws: RPCError.self) {
        try await edge.ship(running, .of(epoch: 1, first: 1, [.sample()]))
      }
      #expect(refused?.code == .permissionDenied)
      #expect(refused?.isEviction == false)
    }
  }

  /// A connection that is refused would be tried again for ever, so the call has an end.
  private static func ship(
    _ batch: WireUsageBatch, _ running: RunningControlPlane,
    _ security: HTTP2ClientTransport.Posix.TransportSecurity
  ) async throws -> UInt64 {
    var options = CallOptions.defaults
    options.timeout = .seconds(5)
    return try await withLink(port: running.ports.link, security: security) { [options] client in
      try await WireUsage.Client(wrapping: client).ship(batch, options: options).sequence
    }
  }

  private static func request(for key: P384.Signing.PrivateKey) throws -> [UInt8] {
    let request = try CertificateSigningRequest(
      version: .v1, subject: try DistinguishedName { CommonName("an edge") }, privateKey: .init(key),
      attributes: .init(), signatureAlgorithm: .ecdsaWithSHA384)
    var serializer = DER.Serializer()
    try serializer.serialize(request)
    return serializer.serializedBytes
  }
}
