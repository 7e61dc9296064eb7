import EdgeDataPath
import Testing

/// The macro cannot call what changes a value.
private func expect<Answer: Equatable>(
  _ answer: Answer, _ expected: Answer, _ comment: Comment? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(answer == expected, comment, sourceLocation: sourceLocation)
}

@Suite("Flood budgets")
struct FloodBudgetsTests {
  private static let second: Int64 = 1_000_000
  private var budgets = FloodBudgets(HTTP2Limits())

  private static func frame(_ type: UInt8, flags: UInt8 = 0, length: Int = 0) -> HTTP2FrameHeader {
    HTTP2FrameHeader(type: type, flags: flags, length: length, streamID: 1)
  }

  /// Expects so many frames in a row to pass, and what the next one is refused for.
  private mutating func expectPassing(
    _ frame: HTTP2FrameHeader, upTo most: Int, now: Int64 = 0, count: Int, then cut: ConnectionCut?,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var passed = 0
    var refused: ConnectionCut?
    while passed < most, refused == nil {
      refused = budgets.frameBegins(frame, now: now)
      if refused == nil { passed += 1 }
    }
    #expect(passed == count, sourceLocation: sourceLocation)
    #expect(refused == cut, sourceLocation: sourceLocation)
  }

  @Test("sixty PINGs pass at once, and one more a second later")
  mutating func pings() {
    let ping = Self.frame(HTTP2FrameHeader.ping, length: 8)
    expectPassing(ping, upTo: 100, count: 60, then: .pingFlood)
    expectPassing(ping, upTo: 100, now: Self.second, count: 1, then: .pingFlood)
  }

  @Test("ten SETTINGS pass at once; acknowledgements do not count")
  mutating func settings() {
    expectPassing(Self.frame(HTTP2FrameHeader.settings, flags: 1), upTo: 100, count: 100, then: nil)
    expectPassing(Self.frame(HTTP2FrameHeader.settings), upTo: 100, count: 10, then: .settingsFlood)
  }

  @Test("WINDOW_UPDATEs go with streams and with the DATA that was sent")
  mutating func windowUpdates() {
    let update = Self.frame(HTTP2FrameHeader.windowUpdate, length: 4)
    // 1 + 2 x (0 streams + 10 x 0 frames)
    expectPassing(update, upTo: 100, count: 1, then: .windowUpdateFlood)
    expect(budgets.frameBegins(Self.frame(HTTP2FrameHeader.headers, length: 10), now: 0), nil)
    budgets.dataSent(100)
    // 1 + 2 x (1 stream + 10 x 1 frame) = 23, of which 2 are spent, the refused one too.
    expectPassing(update, upTo: 100, count: 21, then: .windowUpdateFlood)
  }

  @Test("a hundred PRIORITY frames pass for each stream and one more")
  mutating func priority() {
    let priority = Self.frame(HTTP2FrameHeader.priority, length: 5)
    expectPassing(priority, upTo: 500, count: 100, then: .priorityFlood)
  }

  @Test("one empty DATA frame passes; the second in a row does not, unless it ends the stream")
  mutating func emptyData() {
    expect(budgets.dataReceived(0, ends: false), nil)
    expect(budgets.dataReceived(0, ends: true), nil)
    expect(budgets.dataReceived(0, ends: false), nil)
    expect(budgets.dataReceived(0, ends: false), .emptyDataFlood)
    expect(budgets.dataReceived(5, ends: false), nil)
  }

  @Test("overhead is what is neither a head nor a body, above a mebibyte and eight times those")
  mutating func overhead() {
    expect(budgets.received(1_048_576), nil)
    expect(budgets.received(1), .overhead)
    // A head of 991 bytes and its 9 of header allow for 8 x 1000 more.
    expect(budgets.frameBegins(Self.frame(HTTP2FrameHeader.headers, length: 991), now: 0), nil)
    expect(budgets.received(7_999), nil)
    expect(budgets.received(1), .overhead)
  }

  @Test("what a reset stream's peer had under way is no overhead")
  mutating func resetStream() {
    budgets.resetSent(windowBytes: 65_536)
    expect(budgets.received(1_048_576 + 65_536), nil)
    expect(budgets.received(1), .overhead)
  }

  @Test("two hundred early resets pass in thirty seconds, and again after thirty more")
  mutating func resets() {
    for _ in 0..<200 {
      expect(budgets.earlyReset(now: 0), nil)
    }
    expect(budgets.earlyReset(now: 0), .rapidReset)
    for _ in 0..<200 {
      expect(budgets.earlyReset(now: 31 * Self.second), nil)
    }
    expect(budgets.slip(now: 31 * Self.second), nil, "slips have a budget of their own")
  }
}

@Suite("Reading pace")
struct ReadingPaceTests {
  private let limit = SlowReaderLimit(silenceMicroseconds: 60, floorBytes: 1024, floorMicroseconds: 10)

  @Test("a reader for whom nothing waits is never slow")
  func idle() {
    var pace = ReadingPace()
    expect(pace.isEnough(limit, now: 1000), true)
    pace.begin(now: 1)
    pace.end()
    expect(pace.isEnough(limit, now: 1000), true)
  }

  @Test("a reader who takes nothing has until the silence's end")
  func silent() {
    var pace = ReadingPace()
    pace.begin(now: 100)
    expect(pace.isEnough(limit, now: 160), true)
    expect(pace.isEnough(limit, now: 161), false)
  }

  @Test("a reader who takes a byte now and then is slow when a window ends")
  func dripping() {
    var pace = ReadingPace()
    pace.begin(now: 100)
    pace.took(1, now: 105)
    expect(pace.isEnough(limit, now: 109), true)
    expect(pace.isEnough(limit, now: 110), false)
  }

  @Test("a reader at the floor goes on")
  func steady() {
    var pace = ReadingPace()
    pace.begin(now: 100)
    for window in 1...20 {
      let now = Int64(100 + window * 10)
      pace.took(1024, now: now - 1)
      let pace27 = pace.isEnough(limit, now: now)
      #expect(pace27)
    }
  }
}
