// Gives what this edge runs on to edges of its own region, while the control plane is away. While it is there, edges ask
// it themselves: it alone knows who was evicted.

import GRPCCore
import GRPCNIOTransportHTTP2
import Logging
import StraitControlLink
import StraitProtocol
import Synchronization

struct PeerServer: Sendable {
  let listen: LinkAddress
  let authorityFile: String
  let region: String
  let limits: UplinkLimits
  let logger: Logger
  let credentials: @Sendable () -> EdgeCredentials?
  /// What the edge runs on; nil while it hears the control plane, or runs on nothing.
  var configuration: @Sendable () -> ConfigurationState?

  /// Serves until the task is cancelled, and begins anew with each new certificate.
  func run() async {
    while !Task.isCancelled, let presented = credentials() {
      do {
        try await serve(as: presented)
      } catch {
        if Task.isCancelled { return }
        logger.error(
          "edges of this region cannot ask this one for its configuration",
          metadata: ["listen": "\(listen.host):\(listen.port)", "reason": "\(linkFailure(error))"])
        do { try await Task.sleep(for: .seconds(limits.peerRetrySeconds)) } catch {}
      }
    }
  }

  private func serve(as presented: EdgeCredentials) async throws {
    let security = HTTP2ServerTransport.Posix.TransportSecurity.mTLS(
      certificateChain: presented.certificateChain, privateKey: presented.privateKey
    ) { tls in
      tls.trustRoots = .certificates([.file(path: authorityFile, format: .pem)])
      tls.clientCertificateVerification = .noHostnameVerification
      tls.requireALPN = true
    }
    let transport = HTTP2ServerTransport.Posix(
      address: listen.host.contains(":")
        ? .ipv6(host: listen.host, port: listen.port) : .ipv4(host: listen.host, port: listen.port),
      transportSecurity: security,
      config: .defaults { config in
        config.http2.maxConcurrentStreams = 4
        config.connection.maxIdleTime = .seconds(limits.keepaliveSeconds)
        config.channelDebuggingCallbacks.onBindTCPListener = { [seconds = limits.peerGraceSeconds] in
          ListenerEnd.set(graceSeconds: seconds, on: $0)
        }
        config.rpc.maxRequestPayloadSize = 4096
      })
    let server = GRPCServer(
      transport: transport, services: [PeerProvider(region: region, configuration: configuration)])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serveUntilCancelled() }
      group.addTask {
        while credentials() === presented {
          try await Task.sleep(for: .seconds(limits.certificateLookSeconds))
        }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}

struct PeerProvider: WirePeers.SimpleServiceProtocol {
  let region: String
  let configuration: @Sendable () -> ConfigurationState?
  private let turn = Turn()

  init(region: String, configuration: @escaping @Sendable () -> ConfigurationState?) {
    self.region = region
    self.configuration = configuration
  }

  /// A snapshot is large, so they are given one after another.
  private final class Turn: Sendable {
    private let isTaken = Mutex(false)

    func take() -> Bool {
      isTaken.withLock { isTaken in
        defer { isTaken = true }
        return !isTaken
      }
    }

    func giveBack() { isTaken.withLock { $0 = false } }
  }

  func fetch(
    request: WirePeerFetch, response: RPCWriter<WireConfigurationUpdate>, context: ServerContext
  ) async throws {
    let transport = context.transportSpecific as? HTTP2ServerTransport.Posix.Context
    guard let certificate = transport?.peerCertificate, PeerTrust.isEdge(certificate, of: region) else {
      throw RPCError(code: .permissionDenied, message: "this edge answers edges of \(region) alone")
    }
    guard let state = configuration() else {
      throw RPCError(
        code: .failedPrecondition,
        message: "this edge hears the control plane, or has no configuration that holds all that was revoked")
    }
    guard turn.take() else {
      throw RPCError(code: .unavailable, message: "this edge gives its configuration to another one just now")
    }
    defer { turn.giveBack() }
    let level = ContractLevel(hello: request.contract)
    for part in SnapshotParts(of: state) { try await response.write(part.understood(at: level)) }
  }
}
