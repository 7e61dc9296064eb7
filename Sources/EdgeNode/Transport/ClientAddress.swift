// Who a client is for the limits on addresses. It is kept while a connection is open, and goes nowhere else: no log and
// no record has it.

import Glibc

/// An IPv4 address, or the /64 of an IPv6 address: the least that a network gives to one customer.
package struct ClientAddress: Hashable, Sendable {
  private let network: UInt64
  private let isIPv4: Bool

  package init(_ storage: sockaddr_storage) {
    (network, isIPv4) = withUnsafeBytes(of: storage) { bytes in
      if Int32(storage.ss_family) == AF_INET {
        let address = bytes.loadUnaligned(as: sockaddr_in.self)
        return (UInt64(address.sin_addr.s_addr), true)
      }
      // The address stands behind family, port and flow label.
      let high = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
      let mark = bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self)
      // ::ffff:a.b.c.d, as a socket for both families sees IPv4 clients.
      if high == 0, mark == UInt32(0xffff).bigEndian {
        return (UInt64(bytes.loadUnaligned(fromByteOffset: 20, as: UInt32.self)), true)
      }
      return (high, false)
    }
  }
}
