import GRPCCore
import GRPCNIOTransportHTTP2
import Glibc
import StraitControlLink
import Testing

/// Connections that say nothing.
private final class SilentClients: Sendable {
  private let sockets: [Int32]

  init(_ count: Int, to port: Int) {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    sockets = (0..<count).map { _ in
      let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
      withUnsafePointer(to: &address) {
        _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      return client
    }
  }

  deinit { for socket in sockets { close(socket) } }
}

@Suite("The end of a server of the control link", .timeLimit(.minutes(1)))
struct ServerEndTests {
  private func serve(_ body: @Sendable (Int) async throws -> Void) async throws {
    let transport = HTTP2ServerTransport.Posix(
      address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext, config: .endingSoon)
    let server = GRPCServer(transport: transport, services: [])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serveUntilCancelled() }
      try await body(try await transport.listeningAddress.ipv4?.port ?? 0)
      group.cancelAll()
      try await group.waitForAll()
    }
  }

  @Test(
    "leaves the process alone though connections come in just then, and comes though they stay",
    arguments: [1, 4, 16, 64])
  func underLoad(clients count: Int) async throws {
    for _ in 0..<20 {
      let clients = Holder<SilentClients>()
      try await serve { clients.set(SilentClients(count, to: $0)) }
    }
  }
}
