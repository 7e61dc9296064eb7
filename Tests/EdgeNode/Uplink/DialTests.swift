import Glibc
import NIOCore
import NIOPosix
import StraitControlLink
import Testing

/// A port of this machine that answers no dial: its queue of connections is full, and nobody takes any.
private final class SilentPort {
  let port: Int
  private var descriptors: [Int32] = []

  init() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, size) == 0 && listen(listener, 0) == 0 && getsockname(listener, $0, &size) == 0
      }
    }
    try #require(isBound)
    port = Int(UInt16(bigEndian: address.sin_port))
    descriptors = [listener]
    for _ in 0..<8 {
      let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
      withUnsafePointer(to: &address) {
        _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(client, $0, size) }
      }
      descriptors.append(client)
    }
  }

  deinit { for descriptor in descriptors { close(descriptor) } }
}

@Suite("A dial of the control link", .timeLimit(.minutes(1)))
struct DialTests {
  private func failure(limitSeconds: Double?, transportSeconds: Int64) async throws -> any Error {
    let silent = try SilentPort()
    defer { withExtendedLifetime(silent) {} }
    return try await #require(throws: (any Error).self) {
      _ = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connectTimeout(.seconds(transportSeconds))
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            if let limitSeconds { DialLimit.set(limitSeconds, on: channel) }
          }
        }
        .connect(host: "127.0.0.1", port: silent.port).get()
    }
  }

  @Test("that nobody answers is ended before the transport would end it")
  func ended() async throws {
    // The transport's own limit would be an hour.
    let error = try await failure(limitSeconds: 0.05, transportSeconds: 3600)
    #expect(!isTransports(error), "\(error)")
    // The control: without ours, the transport's own limit is what ends it.
    let own = try await failure(limitSeconds: nil, transportSeconds: 1)
    #expect(isTransports(own), "\(own)")
  }

  private func isTransports(_ error: any Error) -> Bool {
    if case .connectTimeout? = error as? ChannelError { true } else { false }
  }
}
