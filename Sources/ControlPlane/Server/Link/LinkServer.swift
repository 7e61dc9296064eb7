// A listener of the control link: gRPC over TLS with a certificate from the control plane's own authority.

import GRPCCore
import GRPCNIOTransportHTTP2
import Logging
import ServiceLifecycle
import StraitControlLink

package struct LinkServer: Service {
  private let server: GRPCServer<HTTP2ServerTransport.Posix>
  private let name: String
  private let logger: Logger
  private let onListening: @Sendable (Int) async -> Void

  /// A dead peer is noticed within the sum of the two.
  package static let keepaliveSeconds = 10
  package static let keepaliveTimeoutSeconds = 5
  package static let maximumMessageBytes = 8 << 20
  /// For edges to take their leave when this replica ends.
  package static let graceSeconds = 5

  package enum Clients: Sendable {
    /// Only edges with a certificate from the authority.
    case edges
    /// Anyone: the join token decides.
    case newcomers
  }

  /// - Parameter name: for the log
  package init(
    _ name: String, listen: ListenAddress, credentials: LinkCredentials, clients: Clients,
    services: [any RegistrableRPCService], interceptors: [any ServerInterceptor] = [], logger: Logger,
    onListening: @escaping @Sendable (Int) async -> Void
  ) throws {
    let security = try HTTP2ServerTransport.Posix.TransportSecurity.tls(certificateReloader: credentials) {
      tls in
      tls.requireALPN = true
      if case .edges = clients {
        tls.clientCertificateVerification = .noHostnameVerification
        tls.trustRoots = .certificates([.bytes(credentials.authorityDER, format: .der)])
      }
    }
    let address: SocketAddress =
      listen.isIPv6
      ? .ipv6(host: listen.host, port: listen.port) : .ipv4(host: listen.host, port: listen.port)
    let transport = HTTP2ServerTransport.Posix(
      address: address, transportSecurity: security, config: .defaults { Self.configure(&$0) })
    server = GRPCServer(transport: transport, services: services, interceptors: interceptors)
    self.name = name
    self.logger = logger
    self.onListening = onListening
  }

  private static func configure(_ config: inout HTTP2ServerTransport.Posix.Config) {
    config.connection.keepalive.time = .seconds(keepaliveSeconds)
    config.connection.keepalive.timeout = .seconds(keepaliveTimeoutSeconds)
    config.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .seconds(5)
    config.connection.keepalive.clientBehavior.allowWithoutCalls = true
    config.connection.maxGraceTime = .seconds(graceSeconds)
    config.channelDebuggingCallbacks.onBindTCPListener = {
      ListenerEnd.set(graceSeconds: Double(graceSeconds), on: $0)
    }
    config.channelDebuggingCallbacks.onAcceptTCPConnection = {
      SilenceLimit.set(keepaliveSeconds + keepaliveTimeoutSeconds, on: $0)
    }
    config.http2.maxConcurrentStreams = 100
    config.rpc.maxRequestPayloadSize = maximumMessageBytes
  }

  package func run() async throws {
    try await withGracefulShutdownHandler {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.serveUntilCancelled() }
        let address = try await server.transport.listeningAddress
        let port = address.ipv4?.port ?? address.ipv6?.port ?? 0
        logger.info("\(name) listens", metadata: ["port": "\(port)"])
        await onListening(port)
        try await group.waitForAll()
      }
    } onGracefulShutdown: {
      server.beginGracefulShutdown()
    }
  }
}
