import StraitProtocol
import Testing

@Suite("Which addresses upstreams may have")
struct AddressPolicyTests {
  /// By hand from IANA's registries of special addresses; nil for what every upstream may have.
  private static let judged: [(String, AddressRefusal?)] = [
    // The first and last address of each block, and their neighbours.
    ("0.0.0.0", .unspecified), ("0.0.0.1", .unspecified), ("0.255.255.255", .unspecified), ("1.0.0.0", nil),
    ("9.255.255.255", nil), ("10.0.0.0", .notPublic), ("10.255.255.255", .notPublic), ("11.0.0.0", nil),
    ("100.63.255.255", nil), ("100.64.0.0", .notPublic), ("100.127.255.255", .notPublic),
    ("100.128.0.0", nil),
    ("126.255.255.255", nil), ("127.0.0.1", .notPublic), ("127.255.255.255", .notPublic), ("128.0.0.0", nil),
    ("169.253.255.255", nil), ("169.254.0.1", .notPublic), ("169.254.255.255", .notPublic),
    ("169.255.0.0", nil),
    ("172.15.255.255", nil), ("172.16.0.0", .notPublic), ("172.31.255.255", .notPublic), ("172.32.0.0", nil),
    ("191.255.255.255", nil), ("192.0.0.1", .notPublic), ("192.0.1.0", nil), ("192.0.2.9", .notPublic),
    ("192.0.3.0", nil), ("192.88.99.1", .notPublic), ("192.167.255.255", nil), ("192.168.0.0", .notPublic),
    ("192.168.255.255", .notPublic), ("192.169.0.0", nil), ("198.17.255.255", nil),
    ("198.18.0.0", .notPublic), ("198.19.255.255", .notPublic), ("198.20.0.0", nil),
    ("198.51.100.7", .notPublic), ("203.0.113.7", .notPublic), ("223.255.255.255", nil),
    ("224.0.0.0", .multicast), ("239.255.255.255", .multicast), ("240.0.0.0", .notPublic),
    ("255.255.255.254", .notPublic), ("255.255.255.255", .broadcast),
    ("169.254.169.254", .metadata), ("169.254.169.253", .notPublic), ("169.254.170.2", .metadata),
    ("100.100.100.200", .metadata), ("168.63.129.16", .metadata), ("168.63.129.17", nil),
    ("::", .unspecified), ("::1", .notPublic), ("::2", .unspecified), ("fe80::1", .notPublic),
    ("febf::1", .notPublic), ("fec0::1", .notPublic), ("fc00::1", .notPublic), ("fdff::1", .notPublic),
    ("fd00:ec2::254", .metadata), ("fd00:ec2::253", .notPublic), ("fd20:ce::254", .metadata),
    ("ff02::1", .multicast), ("ffff::1", .multicast), ("100::1", .notPublic), ("1fff::1", .notPublic),
    ("2000::1", nil), ("2001::1", .notPublic), ("2001:1ff::1", .notPublic), ("2001:200::1", nil),
    ("2001:db8::1", .notPublic), ("2001:db9::1", nil), ("2606:4700::1111", nil), ("3fff::1", .notPublic),
    ("3fff:fff::1", .notPublic), ("3fff:1000::1", nil), ("4000::1", .notPublic),
    // What comes to an IPv4 address in the end is judged by that.
    ("::ffff:127.0.0.1", .notPublic), ("::ffff:8.8.8.8", nil), ("::ffff:169.254.169.254", .metadata),
    ("::ffff:0.0.0.0", .unspecified), ("::ffff:224.0.0.1", .multicast), ("::127.0.0.1", .notPublic),
    ("::8.8.8.8", .notPublic), ("::ffff:0:8.8.8.8", .notPublic), ("::ffff:0:169.254.169.254", .metadata),
    ("64:ff9b::8.8.8.8", nil), ("64:ff9b::10.0.0.1", .notPublic), ("64:ff9b::169.254.169.254", .metadata),
    ("64:ff9b:1::8.8.8.8", .notPublic), ("64:ff9b:1::169.254.169.254", .metadata),
    // 8.8.8.8 is 0808:0808, 10.0.0.1 is 0a00:0001, 169.254.169.254 is a9fe:a9fe.
    ("2002:808:808::1", nil), ("2002:a00:1::1", .notPublic), ("2002:a9fe:a9fe::1", .metadata),
    // Turned around, 169.254.169.254 is 5601:5601, and 8.8.8.8 is f7f7:f7f7.
    ("2001:0:808:808::5601:5601", .metadata), ("2001:0:808:808::f7f7:f7f7", .notPublic),
  ]

  @Test("are judged by IANA's registries, whatever an address is wrapped in")
  func judges() throws {
    for (text, expected) in Self.judged {
      let address = try #require(IPAddress(text), "\(text)")
      #expect(AddressPolicy.refusal(of: address, on: .public) == expected, "\(text) on the public network")
      // Private networks are chosen for what is not public; nothing else becomes right by that.
      let waived = expected == .notPublic ? nil : expected
      #expect(AddressPolicy.refusal(of: address, on: .private) == waived, "\(text) on a private network")
      #expect(AddressPolicy.permits(address, on: .public) == (expected == nil))
    }
  }

  @Test("are read from text and bytes alike, and from nothing that is a name to a resolver")
  func reading() {
    #expect(IPAddress("1.2.3.4") == .four(0x0102_0304))
    #expect(IPAddress(bytes: [1, 2, 3, 4]) == .four(0x0102_0304))
    #expect(IPAddress("1:2::7:8") == .six(high: 0x0001_0002_0000_0000, low: 0x0007_0008))
    #expect(IPAddress(bytes: [UInt8](repeating: 0, count: 15)) == nil)
    for name in [
      "", "127.1", "1234", "0x7f000001", "017700000001", "1.2.3.4.5", "localhost", "fe80::1%lo", "[::1]",
    ] {
      #expect(IPAddress(name) == nil, "\(name)")
    }
  }
}
