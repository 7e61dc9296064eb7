// Addresses and the sockets made for them.

import CLinux
import Glibc
import StraitProtocol

package struct SocketAddress: @unchecked Sendable {
  // Plain memory, copied as a whole.
  fileprivate var storage: sockaddr_storage
  fileprivate let length: socklen_t

  /// Clients that may wait to be accepted; the kernel takes its own `somaxconn` where that is less.
  private static let acceptQueue: Int32 = 4096

  /// - Parameter text: `127.0.0.1:8443`, `[::1]:8443`; port 0 lets the kernel choose when listening
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      return nil
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    self.init(address: host, port: port)
  }

  /// - Parameter address: an IPv4 or IPv6 address in text; names are for `Resolver`
  package init?(address: String, port: UInt16) {
    storage = sockaddr_storage()
    var four = sockaddr_in()
    var six = sockaddr_in6()
    if inet_pton(AF_INET, address, &four.sin_addr) == 1 {
      four.sin_family = sa_family_t(AF_INET)
      four.sin_port = port.bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutableBytes(of: &storage) { space in withUnsafeBytes(of: four) { space.copyMemory(from: $0) }
      }
    } else if inet_pton(AF_INET6, address, &six.sin6_addr) == 1 {
      six.sin6_family = sa_family_t(AF_INET6)
      six.sin6_port = port.bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
      withUnsafeMutableBytes(of: &storage) { space in withUnsafeBytes(of: six) { space.copyMemory(from: $0) }
      }
    } else {
      return nil
    }
  }

  init(_ info: addrinfo) {
    storage = sockaddr_storage()
    length = info.ai_addrlen
    withUnsafeMutableBytes(of: &storage) { space in
      let count = min(space.count, Int(info.ai_addrlen))
      if let source = info.ai_addr {
        space.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
      }
    }
  }

  /// The address without its port; nil for none of IP's.
  var ipAddress: IPAddress? {
    withUnsafeBytes(of: storage) { bytes in
      switch Int32(storage.ss_family) {
      case AF_INET: IPAddress(bytes: bytes[4..<8])
      case AF_INET6: IPAddress(bytes: bytes[8..<24])
      default: nil
      }
    }
  }

  /// The same with another port.
  func withPort(_ port: UInt16) -> SocketAddress {
    var other = self
    // Both families have it at the same place.
    withUnsafeMutableBytes(of: &other.storage) {
      $0.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
    }
    return other
  }

  /// A listening socket on the address, shared with other workers by `SO_REUSEPORT`.
  package func listen() throws -> Int32 {
    let descriptor = try makeSocket()
    setOption(descriptor, SOL_SOCKET, SO_REUSEADDR)
    setOption(descriptor, SOL_SOCKET, SO_REUSEPORT)
    // Accepted sockets inherit it, which spares a call for each.
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
    guard withPointer({ bind(descriptor, $0, length) }) == 0 else {
      let failure = SystemCallError("bind")
      close(descriptor)
      throw failure
    }
    guard Glibc.listen(descriptor, Self.acceptQueue) == 0 else {
      let failure = SystemCallError("listen")
      close(descriptor)
      throw failure
    }
    return descriptor
  }

  /// What processes that share the address know each other by; nil where the kernel chooses the port.
  var commonName: String? {
    withUnsafeBytes(of: storage) { bytes -> String? in
      let port = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
      guard port > 0 else { return nil }
      let address = bytes[4..<Int(length)].map { String($0, radix: 16) }.joined(separator: ".")
      return "strait-edge-\(getuid())-\(port)-\(address)"
    }
  }

  /// Whether the descriptor is a socket that listens on just this address.
  func isListened(by descriptor: Int32) -> Bool {
    withPointer { strait_listens_on(descriptor, $0, length) } == 1
  }

  /// A socket on its way to the address.
  package func connect() throws -> Int32 {
    let descriptor = try makeSocket()
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
    let result = withPointer { Glibc.connect(descriptor, $0, length) }
    guard result == 0 || strait_errno() == EINPROGRESS else {
      let failure = SystemCallError("connect")
      close(descriptor)
      throw failure
    }
    return descriptor
  }

  private func makeSocket() throws -> Int32 {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(Int32(storage.ss_family), kind, 0)
    guard descriptor >= 0 else { throw SystemCallError("socket") }
    return descriptor
  }

  private func withPointer<Result>(_ body: (UnsafePointer<sockaddr>) -> Result) -> Result {
    withUnsafeBytes(of: storage) { bytes in
      // A sockaddr_storage is laid out to be read as any sockaddr.
      body(bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self))
    }
  }
}

extension SocketAddress: Equatable {
  package static func == (left: SocketAddress, right: SocketAddress) -> Bool {
    left.length == right.length
      && withUnsafeBytes(of: left.storage) { left in
        withUnsafeBytes(of: right.storage) { right in left.elementsEqual(right) }
      }
  }
}

extension AddressPolicy {
  static func refusal(of address: SocketAddress, on network: UpstreamNetwork) -> AddressRefusal? {
    // What is no IP address cannot be judged.
    address.ipAddress.map { refusal(of: $0, on: network) } ?? .unspecified
  }

  /// Whether an upstream of the network may be connected to there.
  package static func permits(_ address: SocketAddress, on network: UpstreamNetwork) -> Bool {
    refusal(of: address, on: network) == nil
  }
}

func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32) {
  var on: Int32 = 1
  setsockopt(descriptor, level, name, &on, socklen_t(MemoryLayout<Int32>.size))
}
