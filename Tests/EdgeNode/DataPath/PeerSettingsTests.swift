import EdgeDataPath
import Testing

@Suite("A peer's settings")
struct PeerSettingsTests {
  private static func payload(_ entries: [(UInt16, UInt32)]) -> [UInt8] {
    entries.flatMap { name, value in
      [UInt8(name >> 8), UInt8(name & 0xFF)]
        + (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
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
    #expect(
      Self.taken((PeerSettings.headerTableSize, 0), (PeerSettings.headerTableSize, 9999)).0.tableHasShrunk)
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
