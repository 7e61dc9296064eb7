// A control plane of a test: the services over real sockets and mutual TLS, answering as the test says.

import Crypto
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import StraitControlLink
import StraitProtocol
import SwiftASN1
import Synchronization
import X509

/// What an edge did, in the order it was seen.
enum LinkEvent: Sendable {
  case enrolled(WireEnrolRequest)
  case renewed(WireRenewRequest)
  case hello(WireConfigurationHello)
  case acknowledgement(UInt64)
  case refusal(UInt64, String)
  case report(WireEdgeReport)
  case followEnded
  case batch(WireUsageBatch)
  case revocationHello(WireRevocationHello)
  case revocationAcknowledgement(UInt64)
  case revocationRefusal(UInt64, String)
}

final class FakeControlPlane: Sendable {
  let authority: TestAuthority
  let edge: [UInt8] = (1...16).map { UInt8($0) }
  private let (events, continuation) = AsyncStream.makeStream(of: LinkEvent.self)
  private let behaviour = Mutex(Behaviour())

  /// What the test wants of it.
  struct Behaviour {
    var token = "token-of-a-test"
    /// Of the edges that enrol.
    var region = "eu-west"
    /// Whether the certificates that it gives at enrolment are near their end; they are good for some minutes.
    var givesOldCertificates = false
    var losesRenewals = false
    var hasEvicted = false
    /// Says to every report that the edge is in step.
    var answersReports = false
    /// Sent to every edge right after its hello.
    var greeting: [WireConfigurationUpdate] = []
    var streams: [Int: AsyncStream<WireConfigurationUpdate>.Continuation] = [:]
    var nextStream = 0
    /// Sent to every edge right after its hello on the revocation lane.
    var revocations: [WireRevocation] = []
    var watches: [Int: AsyncStream<WireRevocation>.Continuation] = [:]
    /// As a control plane from before there were revocations.
    var knowsRevocations = true
    var admitsWatches = true
    var lastAcknowledgement = WireConfigurationAcknowledgement()
    /// Per epoch: the records as a database would hold them, each number once.
    var stored: [UInt64: [UInt64: WireUsageRecord]] = [:]
    var watermarks: [UInt64: UInt64] = [:]
    /// Takes the place of the honest watermark once each.
    var falseWatermarks: [UInt64] = []
    /// Answers to lose after the records were stored.
    var answersToLose = 0

    /// As a database that failed over or came from a backup: what was committed beyond the number is gone.
    mutating func loseCommits(of epoch: UInt64, beyond sequence: UInt64) {
      stored[epoch] = stored[epoch]?.filter { $0.key <= sequence }
      watermarks[epoch] = sequence
    }
  }

  init() throws {
    authority = try TestAuthority()
  }

  func set(_ change: @Sendable (inout Behaviour) -> Void) { behaviour.withLock { change(&$0) } }
  func get<Value: Sendable>(_ read: @Sendable (borrowing Behaviour) -> Value) -> Value {
    behaviour.withLock { read($0) }
  }

  /// Waits for the first event from here on that the closure takes.
  func next<Value>(_ match: (LinkEvent) -> Value?) async throws -> Value {
    for await event in events {
      if let value = match(event) { return value }
    }
    throw CancellationError()
  }

  func nextAcknowledgement() async throws -> UInt64 {
    try await next { if case .acknowledgement(let version) = $0 { version } else { nil } }
  }

  func nextHello() async throws -> WireConfigurationHello {
    try await next { if case .hello(let hello) = $0 { hello } else { nil } }
  }

  func nextRefusal() async throws -> (version: UInt64, reason: String) {
    try await next { if case .refusal(let version, let reason) = $0 { (version, reason) } else { nil } }
  }

  /// The key that a renewal was asked for.
  func nextRenewal() async throws -> Certificate.PublicKey {
    let request = try await next { if case .renewed(let request) = $0 { request } else { nil } }
    return try CertificateSigningRequest(derEncoded: Array(request.certificateRequestDer)).publicKey
  }

  func nextReport() async throws -> WireEdgeReport {
    try await next { if case .report(let report) = $0 { report } else { nil } }
  }

  func nextBatch() async throws -> WireUsageBatch {
    try await next { if case .batch(let batch) = $0 { batch } else { nil } }
  }

  /// Sends an update to every edge that follows.
  func send(_ update: WireConfigurationUpdate) {
    behaviour.withLock { for stream in $0.streams.values { stream.yield(update) } }
  }

  func nextRevocationHello() async throws -> WireRevocationHello {
    try await next { if case .revocationHello(let hello) = $0 { hello } else { nil } }
  }

  /// Waits until the edge has everything up to `number` in force and on its disk.
  func revocationAcknowledged(_ number: UInt64) async throws {
    try await next { if case .revocationAcknowledgement(number) = $0 { () } else { nil } }
  }

  func nextRevocationRefusal() async throws -> (number: UInt64, reason: String) {
    try await next {
      if case .revocationRefusal(let number, let reason) = $0 { (number, reason) } else { nil }
    }
  }

  /// Sends a revocation to every edge that watches.
  func send(_ revocation: WireRevocation) {
    behaviour.withLock { for stream in $0.watches.values { stream.yield(revocation) } }
  }

  // MARK: Serving

  /// A port to come back to: below those that the kernel hands out, so that no other connection takes it meanwhile.
  static func portToReturnTo() -> Int { Int.random(in: 15_000..<30_000) }

  /// Serves both listeners while the body runs, then ends them at once, connections included.
  /// - Parameters:
  ///   - port: of the control link; 0 for any
  ///   - enrolmentPort: 0 for any
  ///   - pose: what its certificate names in place of this machine
  func serve<Result: Sendable>(
    port: Int = 0, enrolmentPort: Int = 0, as pose: EdgeName? = nil,
    _ body: @Sendable (_ link: Int, _ enrolment: Int) async throws -> Result
  ) async throws -> Result {
    let link = try transport(port: port, mutual: true)
    let enrolment = try transport(port: enrolmentPort, mutual: false, as: pose)
    var services: [any RegistrableRPCService] = [
      ConfigurationService(plane: self), UsageService(plane: self), IdentityService(plane: self),
    ]
    if get({ $0.knowsRevocations }) { services.append(RevocationService(plane: self)) }
    let linkServer = GRPCServer(transport: link, services: services)
    let enrolmentServer = GRPCServer(transport: enrolment, services: [EnrolmentService(plane: self)])
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await linkServer.serveUntilCancelled() }
      group.addTask { try await enrolmentServer.serveUntilCancelled() }
      defer { group.cancelAll() }
      let linkPort = try await link.listeningAddress.ipv4?.port ?? 0
      let boundEnrolmentPort = try await enrolment.listeningAddress.ipv4?.port ?? 0
      return try await body(linkPort, boundEnrolmentPort)
    }
  }

  /// Serves enrolment alone, at a port that was free before.
  func serveEnrolment<Result: Sendable>(
    port: Int, _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    let server = GRPCServer(
      transport: try transport(port: port, mutual: false), services: [EnrolmentService(plane: self)])
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serveUntilCancelled() }
      defer { group.cancelAll() }
      return try await body()
    }
  }

  private func transport(port: Int, mutual: Bool, as pose: EdgeName? = nil) throws
    -> HTTP2ServerTransport.Posix
  {
    let key = P256.Signing.PrivateKey()
    let certificate = try authority.issue(
      to: Certificate.PrivateKey(key).publicKey, isServer: pose == nil, name: pose)
    let chain: [TLSConfig.CertificateSource] = [.bytes(try certificate.der, format: .der)]
    let privateKey = TLSConfig.PrivateKeySource.bytes(Array(key.pemRepresentation.utf8), format: .pem)
    let trust = TLSConfig.TrustRootsSource.certificates([.bytes(try authority.certificate.der, format: .der)])
    return HTTP2ServerTransport.Posix(
      address: .ipv4(host: "127.0.0.1", port: port),
      transportSecurity: mutual
        ? .mTLS(certificateChain: chain, privateKey: privateKey) { $0.trustRoots = trust }
        : .tls(certificateChain: chain, privateKey: privateKey),
      config: .endingSoon)
  }

  // MARK: What the services do

  fileprivate func note(_ event: LinkEvent) { continuation.yield(event) }

  fileprivate func enrol(_ request: WireEnrolRequest) throws -> WireEnrolResponse {
    note(.enrolled(request))
    guard request.joinToken == behaviour.withLock({ $0.token }) else {
      throw RPCError(code: .permissionDenied, message: "the token has been used")
    }
    let signing = try CertificateSigningRequest(derEncoded: Array(request.certificateRequestDer))
    let (isOld, region) = behaviour.withLock { ($0.givesOldCertificates, $0.region) }
    let name = EdgeID(bytes: edge).map { EdgeName(edge: $0, region: region) }
    let leaf = try authority.issue(
      to: signing.publicKey, isServer: false, seconds: isOld ? 1000 : 86_400, age: isOld ? 9000 : 0,
      name: name
    )
    .der
    let authorityDER = try authority.certificate.der
    return .with {
      $0.edgeID = Data(edge)
      $0.region = region
      $0.certificateChainDer = [Data(leaf)]
      $0.authorityDer = Data(authorityDER)
    }
  }

  fileprivate func renew(_ request: WireRenewRequest) throws -> WireRenewResponse {
    let signing = try CertificateSigningRequest(derEncoded: Array(request.certificateRequestDer))
    let isLost = behaviour.withLock { $0.losesRenewals }
    let leaf = try authority.issue(to: signing.publicKey, isServer: false).der
    note(.renewed(request))
    if isLost { throw RPCError(code: .unavailable, message: "the answer is lost") }
    return .with { $0.certificateChainDer = [Data(leaf)] }
  }

  /// What the real one says to every call of an edge that was evicted.
  fileprivate func admit() throws {
    guard behaviour.withLock({ $0.hasEvicted }) else { return }
    throw RPCError(
      code: .permissionDenied, message: "the edge was evicted",
      metadata: [LinkRefusal.metadataKey: .string(LinkRefusal.evicted)])
  }

  fileprivate func openStream() -> (Int, AsyncStream<WireConfigurationUpdate>) {
    let (stream, continuation) = AsyncStream.makeStream(of: WireConfigurationUpdate.self)
    let number = behaviour.withLock { behaviour in
      behaviour.nextStream += 1
      behaviour.streams[behaviour.nextStream] = continuation
      for update in behaviour.greeting { continuation.yield(update) }
      return behaviour.nextStream
    }
    return (number, stream)
  }

  fileprivate func take(_ report: WireEdgeReport) {
    if behaviour.withLock({ $0.answersReports }) { send(.with { $0.inStep = report.mark }) }
    note(.report(report))
  }

  fileprivate func closeStream(_ number: Int) {
    behaviour.withLock { $0.streams[number] = nil }
    note(.followEnded)
  }

  fileprivate func openWatch() -> (Int, AsyncStream<WireRevocation>) {
    let (stream, continuation) = AsyncStream.makeStream(of: WireRevocation.self)
    let number = behaviour.withLock { behaviour in
      behaviour.nextStream += 1
      behaviour.watches[behaviour.nextStream] = continuation
      for revocation in behaviour.revocations { continuation.yield(revocation) }
      return behaviour.nextStream
    }
    return (number, stream)
  }

  fileprivate func closeWatch(_ number: Int) {
    behaviour.withLock { $0.watches[number] = nil }
  }

  /// Stores as the real one does: each number once, the watermark beyond any gap below the batch, and nothing where the
  /// edge was told of more than there is.
  fileprivate func store(_ batch: WireUsageBatch) throws -> WireUsageWatermark {
    let (answer, isLost) = behaviour.withLock { behaviour -> (UInt64, Bool) in
      var watermark = behaviour.watermarks[batch.epoch] ?? 0
      if batch.acknowledgedSequence > watermark { return (watermark, false) }
      for (index, record) in batch.records.enumerated() {
        let sequence = batch.firstSequence + UInt64(index)
        behaviour.stored[batch.epoch, default: [:]][sequence] = record
        watermark = max(watermark, sequence)
      }
      behaviour.watermarks[batch.epoch] = watermark
      if behaviour.answersToLose > 0 {
        behaviour.answersToLose -= 1
        return (watermark, true)
      }
      return (behaviour.falseWatermarks.isEmpty ? watermark : behaviour.falseWatermarks.removeFirst(), false)
    }
    note(.batch(batch))
    if isLost { throw RPCError(code: .unavailable, message: "the answer is lost") }
    return .with {
      $0.epoch = batch.epoch
      $0.sequence = answer
    }
  }
}

extension HTTP2ServerTransport.Posix.Config {
  /// Of a server that is not to keep a test waiting.
  static var endingSoon: Self {
    .defaults {
      $0.connection.maxGraceTime = .milliseconds(20)
      $0.channelDebuggingCallbacks.onBindTCPListener = { ListenerEnd.set(graceSeconds: 0.02, on: $0) }
    }
  }
}

private struct EnrolmentService: WireEnrolment.SimpleServiceProtocol {
  let plane: FakeControlPlane

  func enrol(request: WireEnrolRequest, context: ServerContext) async throws -> WireEnrolResponse {
    try plane.enrol(request)
  }
}

private struct ConfigurationService: WireConfiguration.SimpleServiceProtocol {
  let plane: FakeControlPlane

  func follow(
    request: RPCAsyncSequence<WireConfigurationStatus, any Error>,
    response: RPCWriter<WireConfigurationUpdate>,
    context: ServerContext
  ) async throws {
    try plane.admit()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for try await status in request {
        switch status.event {
        case .hello(let hello):
          // Open before the test hears of the hello, so that what it sends then goes out.
          let (number, updates) = plane.openStream()
          plane.note(.hello(hello))
          group.addTask {
            defer { plane.closeStream(number) }
            for await update in updates { try await response.write(update) }
          }
        case .acknowledgement(let acknowledgement):
          plane.set { $0.lastAcknowledgement = acknowledgement }
          plane.note(.acknowledgement(acknowledgement.version))
        case .refusal(let refusal): plane.note(.refusal(refusal.version, refusal.reason))
        case .report(let report): plane.take(report)
        case nil: break
        }
      }
      group.cancelAll()
    }
  }
}

private struct IdentityService: WireIdentity.SimpleServiceProtocol {
  let plane: FakeControlPlane

  func renew(request: WireRenewRequest, context: ServerContext) async throws -> WireRenewResponse {
    try plane.admit()
    return try plane.renew(request)
  }
}

private struct RevocationService: WireRevocations.SimpleServiceProtocol {
  let plane: FakeControlPlane

  func watch(
    request: RPCAsyncSequence<WireRevocationStatus, any Error>, response: RPCWriter<WireRevocation>,
    context: ServerContext
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for try await status in request {
        switch status.event {
        case .hello(let hello):
          try plane.admit()
          guard plane.get({ $0.admitsWatches }) else {
            throw RPCError(code: .unavailable, message: "not yet")
          }
          let (number, revocations) = plane.openWatch()
          plane.note(.revocationHello(hello))
          group.addTask {
            defer { plane.closeWatch(number) }
            for await revocation in revocations { try await response.write(revocation) }
          }
        case .acknowledgement(let acknowledgement):
          plane.note(.revocationAcknowledgement(acknowledgement.number))
        case .refusal(let refusal): plane.note(.revocationRefusal(refusal.number, refusal.reason))
        case nil: break
        }
      }
      group.cancelAll()
    }
  }
}

private struct UsageService: WireUsage.SimpleServiceProtocol {
  let plane: FakeControlPlane

  func ship(request: WireUsageBatch, context: ServerContext) async throws -> WireUsageWatermark {
    try plane.admit()
    return try plane.store(request)
  }
}
