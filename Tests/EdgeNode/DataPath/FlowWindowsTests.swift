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

@Suite("A peer's settings")
struct PeerSettingsTests {
  private static func payload(_ entries: [(UInt16, UInt32)]) -> [UInt8] {
    entries.flatMap { name, value in
      [UInt8(name >> 8), UInt8(name & 0xFF)] + (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }
  }

  private static func taken(_ entries: (UInt16, UInt32)...) -> (PeerSettings, HTTP2ErrorCode?) {
    var settings = PeerSettings()
    let error = withBytes(payload(entries)) { settings.take($0) }
    return (settings, error)
  }

  @Test("what is said is remembered, and the last of two counts")
  func values() {
    let (settings, error) = Self.taken(
      (PeerSettings.maxConcurrentStreams, 7), (PeerSettings.initialWindowSize, 100), (0xFFFF, 1),
      (PeerSettings.initialWindowSize, 0x7FFF_FFFF))
    #expect(error == nil)
    #expect(settings.mostStreams == 7 && settings.streamWindow == 0x7FFF_FFFF)
    #expect(!settings.tableHasShrunk)
    #expect(PeerSettings().mostStreams == 0xFFFF_FFFF && PeerSettings().streamWindow == 65_535)
  }

  @Test("a table below the usual size is noted, also where it grows again at once")
  func tables() {
    #expect(Self.taken((PeerSettings.headerTableSize, 4095)).0.tableHasShrunk)
    #expect(Self.taken((PeerSettings.headerTableSize, 0), (PeerSettings.headerTableSize, 9999)).0.tableHasShrunk)
    #expect(!Self.taken((PeerSettings.headerTableSize, 4096)).0.tableHasShrunk)
  }

  @Test("values that are none are errors")
  func errors() {
    #expect(Self.taken((PeerSettings.enablePush, 1)).1 == .protocolError)
    #expect(Self.taken((PeerSettings.enablePush, 0)).1 == nil)
    #expect(Self.taken((PeerSettings.initialWindowSize, 0x8000_0000)).1 == .flowControlError)
    #expect(Self.taken((PeerSettings.maxFrameSize, 16_383)).1 == .protocolError)
    #expect(Self.taken((PeerSettings.maxFrameSize, 16_384)).1 == nil)
    #expect(Self.taken((PeerSettings.maxFrameSize, 0xFF_FFFF)).1 == nil)
    #expect(Self.taken((PeerSettings.maxFrameSize, 0x100_0000)).1 == .protocolError)
    #expect(Self.taken((PeerSettings.noPriorities, 2)).1 == .protocolError)
    #expect(Self.taken((PeerSettings.enableConnectProtocol, 2)).1 == .protocolError)
  }
}
