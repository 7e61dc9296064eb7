// Which addresses an edge may connect to because an operator named an upstream: a URL, or what a name in it resolves to,
// must not lead to what is no upstream at all. Decisions only; edges ask for every address before they connect to it, and
// the control plane for those that stand in a URL.

import Glibc

package enum IPAddress: Hashable, Sendable {
  case four(UInt32)
  case six(high: UInt64, low: UInt64)

  /// - Parameter bytes: 4 or 16, in network order
  package init?(bytes: some Collection<UInt8>) {
    func number(_ part: some Collection<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
    switch bytes.count {
    case 4: self = .four(UInt32(number(bytes)))
    case 16: self = .six(high: number(bytes.prefix(8)), low: number(bytes.dropFirst(8)))
    default: return nil
    }
  }

  /// - Parameter text: without brackets, zone or port; names are none
  package init?(_ text: String) {
    var four = in_addr()
    var six = in6_addr()
    if inet_pton(AF_INET, text, &four) == 1 {
      self.init(bytes: withUnsafeBytes(of: four) { Array($0) })
    } else if inet_pton(AF_INET6, text, &six) == 1 {
      self.init(bytes: withUnsafeBytes(of: six) { Array($0) })
    } else {
      return nil
    }
  }
}

/// Where an upstream's addresses may be: chosen by the operator for each.
package enum UpstreamNetwork: String, Sendable, CaseIterable {
  /// On the Internet, and nowhere else.
  case `public`
  /// Also in networks of one's own: loopback, link-local, private and unique-local addresses, and all others of which no
  /// two networks agree whose they are.
  case `private`
}

/// Why an address is not connected to.
package enum AddressRefusal: UInt8, CaseIterable, Sendable {
  // For upstreams of any network.
  case unspecified, broadcast, multicast
  /// Of a cloud: it gives the machine's own credentials to whoever asks.
  case metadata
  // For upstreams on the public network.
  case notPublic

  /// The label in `/metrics`.
  package var word: String {
    switch self {
    case .unspecified: "unspecified"
    case .broadcast: "broadcast"
    case .multicast: "multicast"
    case .metadata: "metadata"
    case .notPublic: "not_public"
    }
  }
}

package enum AddressPolicy {
  /// - Returns: nil where an upstream of the network may have the address
  package static func refusal(of address: IPAddress, on network: UpstreamNetwork) -> AddressRefusal? {
    let refusal =
      switch address {
      case .four(let number): refusal(four: number)
      case .six(let high, let low): refusal(six: high, low)
      }
    return network == .private && refusal == .notPublic ? nil : refusal
  }

  package static func permits(_ address: IPAddress, on network: UpstreamNetwork) -> Bool {
    refusal(of: address, on: network) == nil
  }

  // MARK: IPv4

  private static func refusal(four address: UInt32) -> AddressRefusal? {
    if metadata4.contains(address) { return .metadata }
    if address == 0xFFFF_FFFF { return .broadcast }
    // Linux takes all of it for the machine itself.
    if address >> 24 == 0 { return .unspecified }
    if address >> 28 == 0b1110 { return .multicast }
    return notPublic4.contains { address >> (32 - $0.bits) == $0.prefix >> (32 - $0.bits) } ? .notPublic : nil
  }

  private static let metadata4: Set<UInt32> = [
    // 169.254.169.254: AWS, Azure, Google, Oracle and others.
    0xA9FE_A9FE,
    // 169.254.170.2 and .23: credentials of AWS's containers and pods.
    0xA9FE_AA02, 0xA9FE_AA17,
    // 100.100.100.200: Alibaba. 168.63.129.16: Azure's host, which is at a public address.
    0x6464_64C8, 0xA83F_8110,
  ]

  /// IANA's registry of special addresses (RFC 6890), as far as it is not global.
  private static let notPublic4: [(prefix: UInt32, bits: UInt32)] = [
    // 10/8, 100.64/10, 127/8, 169.254/16, 172.16/12
    (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16), (0xAC10_0000, 12),
    // 192.0.0/24; 192.0.2/24, 198.51.100/24 and 203.0.113/24 for documents; 192.88.99/24, which led to 6to4
    (0xC000_0000, 24), (0xC000_0200, 24), (0xC633_6400, 24), (0xCB00_7100, 24), (0xC058_6300, 24),
    // 192.168/16; 198.18/15 for benchmarks; 240/4, reserved
    (0xC0A8_0000, 16), (0xC612_0000, 15), (0xF000_0000, 4),
  ]

  // MARK: IPv6

  private static func refusal(six high: UInt64, _ low: UInt64) -> AddressRefusal? {
    if high == 0, low == 0 { return .unspecified }
    if metadata6.contains(where: { $0 == (high, low) }) { return .metadata }
    if high >> 56 == 0xFF { return .multicast }
    if let (four, isPublic) = embedded(high, low) {
      return refusal(four: four) ?? (isPublic ? nil : .notPublic)
    }
    // RFC 4291: global unicast is 2000::/3, and no more of it has been given out.
    guard high >> 61 == 0b001 else { return .notPublic }
    return notPublic6.contains { high >> (64 - $0.bits) == $0.prefix >> (64 - $0.bits) } ? .notPublic : nil
  }

  private static let metadata6: [(UInt64, UInt64)] = [
    // fd00:ec2::254 and ::23: AWS, its pods. fd20:ce::254: Google.
    (0xFD00_0EC2_0000_0000, 0x254), (0xFD00_0EC2_0000_0000, 0x23), (0xFD20_00CE_0000_0000, 0x254),
  ]

  private static let notPublic6: [(prefix: UInt64, bits: UInt64)] = [
    // 2001::/23, the IETF's; 2001:db8::/32 and 3fff::/20 for documents
    (0x2001_0000_0000_0000, 23), (0x2001_0DB8_0000_0000, 32), (0x3FFF_0000_0000_0000, 20),
  ]

  /// The IPv4 address to which a packet to this one comes in the end, and whether anybody's packet does.
  private static func embedded(_ high: UInt64, _ low: UInt64) -> (four: UInt32, isPublic: Bool)? {
    let last = UInt32(truncatingIfNeeded: low)
    switch (high, low >> 32) {
    // ::1 is no IPv4 address.
    case (0, 0) where low == 1: return nil
    // ::a.b.c.d, long given up, and ::ffff:0:a.b.c.d, of translators (RFC 2765)
    case (0, 0), (0, 0xFFFF_0000): return (last, false)
    // ::ffff:a.b.c.d
    case (0, 0xFFFF): return (last, true)
    // 64:ff9b::a.b.c.d, NAT64 (RFC 6052)
    case (0x0064_FF9B_0000_0000, 0): return (last, true)
    default: break
    }
    // 64:ff9b:1::/48, NAT64 of one's own (RFC 8215)
    if high >> 16 == 0x0064_FF9B_0001 { return (last, false) }
    // 2002::/16, 6to4 (RFC 3056)
    if high >> 48 == 0x2002 { return (UInt32(truncatingIfNeeded: high >> 16), true) }
    // 2001::/32, Teredo (RFC 4380), which turns the bits around
    if high >> 32 == 0x2001_0000 { return (~last, false) }
    return nil
  }
}
