import ControlPlaneCore
import GRPCCore
import GRPCNIOTransportHTTP2
import Logging
import StraitControlLink
import StraitProtocol
import Synchronization
import Testing

@Suite("The control link's own certificate")
struct LinkCredentialsTests {
  @Test("is made anew in the middle of its time, while the listener runs")
  func renewal() async throws {
    let now = Moment.now
    let authority = try CertificateAuthority.make(now: now.adding(seconds: -800 * 86_400))
    // What was made 400 days ago has ended; nothing looks at the clock again before its own time has come.
    let clock = Mutex(now.adding(seconds: -400 * 86_400))
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let credentials = try LinkCredentials(authority: authority, names: ["127.0.0.1"], logger: logger) {
      clock.withLock { $0 }
    }
    let (ports, bound) = AsyncStream.makeStream(of: Int.self)
    let server = try LinkServer(
      "test", listen: ListenAddress(host: "127.0.0.1", port: 0), credentials: credentials,
      clients: .newcomers, services: [], logger: logger
    ) { bound.yield($0) }
    let run = Task { try await server.run() }
    defer { run.cancel() }
    var waiting = ports.makeAsyncIterator()
    let port = try #require(await waiting.next())
    let authorityDER = try authority.certificate.derBytes()

    /// What an edge's call comes to; nobody serves it here.
    func call() async throws -> RPCError.Code? {
      let security = HTTP2ClientTransport.Posix.TransportSecurity.tls { tls in
        tls.trustRoots = .certificates([.bytes(authorityDER, format: .der)])
      }
      var options = CallOptions.defaults
      options.timeout = .seconds(3)
      let chosen = options
      let error = await #expect(throws: RPCError.self) {
        try await withLink(port: port, security: security) { client in
          _ = try await WireEnrolment.Client(wrapping: client).enrol(.init(), options: chosen)
        }
      }
      return error?.code
    }
    #expect(try await call() != .unimplemented)
    clock.withLock { $0 = now }
    #expect(try await call() == .unimplemented)
  }
}
