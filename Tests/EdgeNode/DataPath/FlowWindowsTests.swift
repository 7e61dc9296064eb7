import EdgeDataPath
import Testing

@Suite("Flow windows")
struct FlowWindowsTests {
  @Test("a send window may fall below zero and rise again")
  func negative() {
    var window = SendWindow(65_535)
    window.sent(60_000)
    // The peer's settings take 65,535 - 1,000 away.
    let lowered = window.move(by: 1_000 - 65_535)
    #expect(lowered && window.bytes == 1_000 - 60_000)
    let opened = window.move(by: 59_001)
    #expect(opened && window.bytes == 1)
  }

  @Test("no send window is larger than 2^31 - 1")
  func overflow() {
    var window = SendWindow(1)
    let full = window.move(by: 0x7FFF_FFFE)
    let beyond = window.move(by: 1)
    #expect(full && !beyond && window.bytes == SendWindow.most)
  }

  @Test("a peer may send as much as its window has")
  func received() {
    var window = ReceiveWindow(100)
    let (all, none, beyond) = (window.received(100), window.received(0), window.received(1))
    #expect(all && none && !beyond)
  }

  @Test("a window is given back from its half on, and no more than was used")
  func threshold() {
    var window = ReceiveWindow(100)
    _ = window.received(80)
    let said = [window.take(49), window.take(1), window.take(29), window.take(100)]
    // 49 are less than half; 50 are told; 30 are left of 80, of which no more can be taken.
    #expect(said == [0, 50, 0, 0])
    // 30 + 20 are used now, all of them taken by the last call but the 20.
    _ = window.received(20)
    let rest = window.take(20)
    #expect(rest == 50)
    let whole = window.received(100)
    #expect(whole)
  }
}
