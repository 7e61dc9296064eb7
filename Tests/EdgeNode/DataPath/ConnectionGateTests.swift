import EdgeDataPath
import Glibc
import Testing

func address(_ text: String) -> ClientAddress {
  var storage = sockaddr_storage()
  withUnsafeMutableBytes(of: &storage) { space in
    var four = sockaddr_in()
    var six = sockaddr_in6()
    if inet_pton(AF_INET, text, &four.sin_addr) == 1 {
      four.sin_family = sa_family_t(AF_INET)
      withUnsafeBytes(of: four) { space.copyMemory(from: $0) }
    } else if inet_pton(AF_INET6, text, &six.sin6_addr) == 1 {
      six.sin6_family = sa_family_t(AF_INET6)
      withUnsafeBytes(of: six) { space.copyMemory(from: $0) }
    }
  }
  return ClientAddress(storage)
}

@Suite struct ConnectionGateTests {
  private let second: Int64 = 1_000_000

  private func limits(open: Int, newPerSecond: Int, offences: Int = 10) -> AddressLimits {
    AddressLimits(
      open: open, newPerSecond: newPerSecond, offences: offences, offenceWindowMicroseconds: 10 * second)
  }

  private func ledger(open: Int, newPerSecond: Int, offences: Int = 10) -> AddressLedger {
    AddressLedger(limits(open: open, newPerSecond: newPerSecond, offences: offences))
  }

  @Test func anIPv6ClientIsItsNetwork() {
    #expect(address("2001:db8:1:2::1") == address("2001:db8:1:2:ffff:ffff:ffff:ffff"))
    #expect(address("2001:db8:1:2::1") != address("2001:db8:1:3::1"))
    #expect(address("192.0.2.1") != address("192.0.2.2"))
    #expect(address("::ffff:192.0.2.1") == address("192.0.2.1"))
    #expect(address("::1") != address("0.0.0.0"))
  }

  @Test func aSecondsWorthMayComeAtOnceAndThenOneAtATime() {
    // 50 a second are one each 20 ms.
    var ledger = ledger(open: 1000, newPerSecond: 50)
    let client = address("192.0.2.1")
    for _ in 0..<50 { #expect(ledger.admit(client, now: second) == nil) }
    #expect(ledger.admit(client, now: second) == .addressRate)
    #expect(ledger.admit(client, now: second + 19_999) == .addressRate)
    #expect(ledger.admit(client, now: second + 20_000) == nil)
    #expect(ledger.admit(client, now: second + 20_000) == .addressRate)
    #expect(ledger.admit(address("192.0.2.2"), now: second) == nil)
    // After a second of peace there is a second's worth again.
    for _ in 0..<50 { #expect(ledger.admit(client, now: 3 * second) == nil) }
    #expect(ledger.admit(client, now: 3 * second) == .addressRate)
  }

  @Test func whoIsTooManyWaitsUntilOneLeaves() {
    var ledger = ledger(open: 2, newPerSecond: 1000)
    let client = address("2001:db8::1")
    #expect(ledger.admit(client, now: 0) == nil)
    #expect(ledger.admit(client, now: 0) == nil)
    #expect(ledger.admit(client, now: 0) == .addressConnections)
    ledger.leave(client)
    #expect(ledger.admit(client, now: 0) == nil)
  }

  @Test func anAddressOfOffendersMayComeAsFastAsTheyAreForgiven() {
    // Ten in ten seconds: one a second is forgiven.
    var ledger = ledger(open: 1000, newPerSecond: 1000)
    let client = address("192.0.2.1")
    var admitted = 0
    while ledger.admit(client, now: second) == nil, admitted < 100 {
      admitted += 1
      ledger.offend(client, now: second)
    }
    // Six as fast as they like, which is one more than half; then each counts as soon as it comes, and again when it
    // offends: two more.
    #expect(admitted == 8)
    #expect(ledger.admit(client, now: second) == .addressOffences)
    #expect(ledger.admit(address("192.0.2.2"), now: second) == nil)
    // Whatever it has done, one is let in after a second, and another after the next.
    #expect(ledger.admit(client, now: 2 * second - 1) == .addressOffences)
    #expect(ledger.admit(client, now: 2 * second) == nil)
    #expect(ledger.admit(client, now: 2 * second) == .addressOffences)
    ledger.offend(client, now: 2 * second)
    #expect(ledger.admit(client, now: 3 * second) == nil)
    // When half is forgiven it comes as it likes.
    for _ in 0..<100 { #expect(ledger.admit(client, now: 8 * second) == nil) }
  }

  @Test func manyThatComeInTogetherAreHeldOffBeforeTheyOffend() {
    var ledger = ledger(open: 1000, newPerSecond: 1000)
    let client = address("192.0.2.1")
    for _ in 0..<6 {
      #expect(ledger.admit(client, now: 0) == nil)
      ledger.offend(client, now: 0)
    }
    // There is room for four more offences, and for so many connections, none of which has offended yet.
    for _ in 0..<4 { #expect(ledger.admit(client, now: 0) == nil) }
    #expect(ledger.admit(client, now: 0) == .addressOffences)
  }

  @Test func anAddressThatOffendedIsRememberedUntilItIsForgiven() {
    var ledger = ledger(open: 1000, newPerSecond: 1000, offences: 1)
    let client = address("192.0.2.1")
    #expect(ledger.admit(client, now: 0) == nil)
    ledger.offend(client, now: 0)
    ledger.leave(client)
    // So many others make it forget those of whom nothing needs to be known.
    for number in 0..<1000 {
      #expect(ledger.admit(address("10.0.\(number >> 8).\(number & 255)"), now: 1) == nil)
    }
    #expect(ledger.admit(client, now: 1) == .addressOffences)
    #expect(ledger.admit(client, now: 10 * second) == nil)
  }

  @Test func addressesThatLeftAreForgotten() {
    var ledger = ledger(open: 2, newPerSecond: 10)
    for number in 0..<100_000 {
      let client = address("10.\(number >> 16).\(number >> 8 & 255).\(number & 255)")
      // One each 10 µs: 10,000 of them are younger than the 100 ms for which one must be remembered.
      #expect(ledger.admit(client, now: Int64(number) * 10) == nil)
      ledger.leave(client)
    }
    #expect(ledger.addresses <= 20_064)
  }

  @Test func nobodyIsLetInForAMomentAfterTheLastDescriptor() {
    let gate = ConnectionGate(limit: 3, perAddress: limits(open: 2, newPerSecond: 100))
    gate.noteExhausted(now: second)
    #expect(gate.admit(address("192.0.2.1"), now: second + 249_999) == .tooManyConnections)
    #expect(gate.admit(address("192.0.2.1"), now: second + 250_000) == nil)
  }

  @Test func theGateCountsAllAddressesTogether() {
    let gate = ConnectionGate(limit: 3, perAddress: limits(open: 2, newPerSecond: 100))
    let (first, other) = (address("192.0.2.1"), address("192.0.2.2"))
    #expect(gate.admit(first, now: 0) == nil)
    #expect(gate.admit(first, now: 0) == nil)
    // A refusal takes no place.
    #expect(gate.admit(first, now: 0) == .addressConnections)
    #expect(gate.admit(other, now: 0) == nil)
    #expect(gate.admit(other, now: 0) == .tooManyConnections)
    gate.leave(first)
    #expect(gate.admit(other, now: 0) == nil)
  }
}
