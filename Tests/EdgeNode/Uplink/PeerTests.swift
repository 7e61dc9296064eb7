import Crypto
import EdgeUplink
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import StraitControlLink
import StraitProtocol
import Testing
import X509

@Suite("Edges of one region", .timeLimit(.minutes(5)))
struct PeerTests {
  @Test("give what they run on to one that has nothing, while the control plane is gone")
  func story() async throws {
    let plane = try FakeControlPlane()
    let (giver, taker) = (try ScratchFolder(), try ScratchFolder())
    try await Self.enrol(plane, giver: giver, taker: taker)
    let port = FakeControlPlane.portToReturnTo()
    let first = try Self.edge(plane, giver) { $0.peerListen = "127.0.0.1:\(port)" }
    _ = try first.uplink.loadLastGood()
    try await first.run {
      let second = try Self.edge(plane, taker) { $0.peers = ["127.0.0.1:\(port)"] }
      try await second.run {
        try await eventually { second.applied.last != nil }
        try await eventually { taker.files("data").contains("configuration.snapshot") }
      }
      #expect(second.applied.last?.version == 5)
      #expect(second.applied.last?.keys.count == 1)
    }
    let restarted = try Self.edge(plane, taker) { _ in }
    defer { restarted.spool.close() }
    let kept = try restarted.uplink.loadLastGood()
    #expect(kept?.version == 5)
  }

  @Test("answer nobody of another region, and nobody while the control plane is there")
  func refusals() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    let port = FakeControlPlane.portToReturnTo()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder()) {
        $0.peerListen = "127.0.0.1:\(port)"
      }
      try await edge.run {
        _ = try await plane.nextAcknowledgement()
        let stranger = await #expect(throws: RPCError.self) {
          try await Self.fetch(plane, port: port, as: EdgeName(edge: .none, region: "us-east"))
        }
        #expect(stranger?.code == .permissionDenied)
        let nobody = await #expect(throws: RPCError.self) {
          try await Self.fetch(plane, port: port, as: nil)
        }
        #expect(nobody?.code == .permissionDenied)
        let tooEarly = await #expect(throws: RPCError.self) {
          try await Self.fetch(plane, port: port, as: EdgeName(edge: .none, region: "eu-west"))
        }
        #expect(tooEarly?.code == .failedPrecondition)
      }
    }
  }

  @Test(
    "give nothing that would let revoked keys in, known or not known any more, and the next one is asked",
    arguments: [false, true])
  func giverAhead(isDamaged: Bool) async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.revocations = [Revocations.of(key: 4, number: 10, version: 9)] }
    let (giver, taker) = (try ScratchFolder(), try ScratchFolder())
    try await Self.enrol(plane, giver: giver, taker: taker) { giver.files("data").contains("revocations") }
    if isDamaged { try writeFile("\(giver.path)/data/revocations", [1, 2, 3]) }
    let port = FakeControlPlane.portToReturnTo()
    let first = try Self.edge(plane, giver) { $0.peerListen = "127.0.0.1:\(port)" }
    #expect(try first.uplink.loadLastGood()?.version == 5)
    #expect(first.uplink.loadRevocations() == (isDamaged ? [] : [Revocations.key(4)]))
    try await first.run {
      // The transport waits until it listens.
      let refusal = await #expect(throws: RPCError.self) {
        try await Self.fetch(plane, port: port, as: EdgeName(edge: .none, region: "eu-west"))
      }
      #expect(refusal?.code == .failedPrecondition && refusal?.message.contains("was revoked") == true)
      try await Self.serveRogue(plane, region: "eu-west") { other in
        let second = try Self.edge(plane, taker) {
          $0.peers = ["127.0.0.1:\(port)", "127.0.0.1:\(other)"]
        }
        try await second.run { try await eventually { second.applied.last != nil } }
        #expect(second.applied.versions == [9])
      }
    }
  }

  @Test("give what a newcomer knows more of: it refuses what it has heard to be revoked")
  func takerAhead() async throws {
    let plane = try FakeControlPlane()
    let (giver, taker) = (try ScratchFolder(), try ScratchFolder())
    try await Self.enrol(plane, giver: giver, taker: taker)
    // It heard of a revocation before it had any configuration.
    plane.set {
      $0.greeting = []
      $0.revocations = [Revocations.of(key: 4, number: 10, version: 9)]
    }
    try await plane.serve { link, enrolment in
      let early = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: taker, token: nil)
      try await early.run { try await eventually { taker.files("data").contains("revocations") } }
      #expect(early.applied.last == nil)
    }
    let port = FakeControlPlane.portToReturnTo()
    let first = try Self.edge(plane, giver) { $0.peerListen = "127.0.0.1:\(port)" }
    _ = try first.uplink.loadLastGood()
    try await first.run {
      let second = try Self.edge(plane, taker) { $0.peers = ["127.0.0.1:\(port)"] }
      #expect(try second.uplink.loadLastGood() == nil)
      #expect(second.uplink.loadRevocations() == [Revocations.key(4)])
      try await second.run {
        try await eventually { second.applied.last?.version == 5 }
        try await eventually { second.refused.last == [Revocations.key(4)] }
        try await eventually { taker.files("data").contains("configuration.snapshot") }
      }
    }
    let restarted = try Self.edge(plane, taker) { _ in }
    defer { restarted.spool.close() }
    #expect(try restarted.uplink.loadLastGood()?.version == 5)
    #expect(restarted.uplink.loadRevocations() == [Revocations.key(4)])
  }

  @Test("take nothing from one that is older than what they know to be revoked, and ask the next one")
  func giverBehind() async throws {
    let plane = try FakeControlPlane()
    let (giver, taker) = (try ScratchFolder(), try ScratchFolder())
    try await Self.enrol(plane, giver: giver, taker: taker)
    // The giver was cut off with version 5. The taker hears that key 4 is revoked, and stores version 6, which holds that.
    var holding = Updates.snapshot(version: 6)
    holding.upserts.removeAll { !$0.key.id.isEmpty }
    plane.set { [holding] in
      $0.greeting = [holding]
      $0.revocations = [Revocations.of(key: 4, number: 10, version: 6)]
    }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: taker, token: nil)
      try await edge.run {
        try await plane.revocationAcknowledged(10)
        try await edge.until { $0.versions.last == 6 }
        // It needs the entry no more, and has written so: a header and no entries.
        try await eventually { try readFile("\(taker.path)/data/revocations").count == 72 }
      }
    }
    try FileManager.default.removeItem(atPath: "\(taker.path)/data/configuration.snapshot")
    let port = FakeControlPlane.portToReturnTo()
    let first = try Self.edge(plane, giver) { $0.peerListen = "127.0.0.1:\(port)" }
    #expect(try first.uplink.loadLastGood()?.version == 5)
    try await first.run {
      try await Self.serveRogue(plane, region: "eu-west") { other in
        let second = try Self.edge(plane, taker) {
          $0.peers = ["127.0.0.1:\(port)", "127.0.0.1:\(other)"]
        }
        #expect(try second.uplink.loadLastGood() == nil)
        #expect(second.uplink.loadRevocations() == [])
        try await second.run { try await eventually { second.applied.last != nil } }
        #expect(second.applied.versions == [9])
      }
    }
  }

  @Test("take nothing from one that is not of their region", arguments: ["us-east", "eu-west"])
  func rogue(region: String) async throws {
    let plane = try FakeControlPlane()
    let (giver, taker) = (try ScratchFolder(), try ScratchFolder())
    try await Self.enrol(plane, giver: giver, taker: taker)
    let port = FakeControlPlane.portToReturnTo()
    let first = try Self.edge(plane, giver) { $0.peerListen = "127.0.0.1:\(port)" }
    _ = try first.uplink.loadLastGood()
    try await first.run {
      try await Self.serveRogue(plane, region: region) { roguePort in
        let second = try Self.edge(plane, taker) {
          $0.peers = ["127.0.0.1:\(roguePort)", "127.0.0.1:\(port)"]
        }
        try await second.run { try await eventually { second.applied.last != nil } }
        // The control: with a certificate of the region it would be believed.
        #expect(second.applied.last?.version == (region == "eu-west" ? 9 : 5))
      }
    }
  }

  /// Two edges that enrolled, of which one has the configuration.
  private static func enrol(
    _ plane: FakeControlPlane, giver: ScratchFolder, taker: ScratchFolder,
    until isReady: @Sendable () -> Bool = { true }
  ) async throws {
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let first = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: giver)
      try await first.run {
        try await eventually { giver.files("data").contains("configuration.snapshot") && isReady() }
      }
      let second = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: taker)
      defer { second.spool.close() }
      _ = try await second.uplink.ensureIdentity()
    }
  }

  /// An edge without a control plane.
  private static func edge(
    _ plane: FakeControlPlane, _ folder: ScratchFolder, change: (inout UplinkConfiguration) -> Void
  ) throws -> EdgeUnderTest {
    try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil) {
      $0.limits.connectSeconds = 0.2
      change(&$0)
    }
  }

  private static func fetch(_ plane: FakeControlPlane, port: Int, as name: EdgeName?) async throws {
    let key = P256.Signing.PrivateKey()
    let certificate = try plane.authority.issue(
      to: Certificate.PrivateKey(key).publicKey, isServer: false, name: name)
    let trust = try plane.authority.certificate.der
    let security = HTTP2ClientTransport.Posix.TransportSecurity.mTLS(
      certificateChain: [.bytes(try certificate.der, format: .der)],
      privateKey: .bytes(Array(key.pemRepresentation.utf8), format: .pem)
    ) {
      $0.trustRoots = .certificates([.bytes(trust, format: .der)])
      $0.serverCertificateVerification = .noHostnameVerification
    }
    let transport = try HTTP2ClientTransport.Posix(
      target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: security)
    var waiting = CallOptions.defaults
    waiting.waitForReady = true
    let options = waiting
    try await GRPCClient(transport: transport).withConnections { client in
      try await WirePeers.Client(wrapping: client).fetch(.init(), options: options) { response in
        for try await _ in response.messages {}
      }
    }
  }

  /// An edge that answers anybody with a configuration of its own making.
  private static func serveRogue(
    _ plane: FakeControlPlane, region: String, _ body: @Sendable (Int) async throws -> Void
  ) async throws {
    let key = P256.Signing.PrivateKey()
    let certificate = try plane.authority.issue(
      to: Certificate.PrivateKey(key).publicKey, isServer: false,
      name: EdgeName(edge: .none, region: region))
    let transport = HTTP2ServerTransport.Posix(
      address: .ipv4(host: "127.0.0.1", port: 0),
      transportSecurity: .tls(
        certificateChain: [.bytes(try certificate.der, format: .der)],
        privateKey: .bytes(Array(key.pemRepresentation.utf8), format: .pem)),
      config: .endingSoon)
    let server = GRPCServer(transport: transport, services: [RogueService()])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serveUntilCancelled() }
      defer { group.cancelAll() }
      try await body(try await transport.listeningAddress.ipv4?.port ?? 0)
    }
  }
}

private struct RogueService: WirePeers.SimpleServiceProtocol {
  func fetch(
    request: WirePeerFetch, response: RPCWriter<WireConfigurationUpdate>, context: ServerContext
  ) async throws {
    try await response.write(Updates.snapshot(version: 9))
  }
}
