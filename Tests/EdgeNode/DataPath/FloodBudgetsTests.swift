import EdgeDataPath
import Testing

@Suite("Flood budgets")
struct FloodBudgetsTests {
  private static let second: Int64 = 1_000_000
  private var budgets = FloodBudgets(HTTP2Limits())

  private static func frame(_ type: UInt8, flags: UInt8 = 0, length: Int = 0) -> HTTP2FrameHeader {
    HTTP2FrameHeader(type: type, flags: flags, length: length, streamID: 1)
  }

  /// How many frames in a row pass before one is refused, and why it is.
  private mutating func passing(_ frame: HTTP2FrameHeader, upTo most: Int, now: Int64 = 0) -> (
    Int, ConnectionCut?
  ) {
    for count in 0..<most {
      if let cut = budgets.frameBegins(frame, now: now) { return (count, cut) }
    }
    return (most, nil)
  }

  @Test("sixty PINGs pass at once, and one more a second later")
  mutating func pings() {
    let ping = Self.frame(HTTP2FrameHeader.ping, length: 8)
    let answer1 = passing(ping, upTo: 100)
    #expect(answer1.0 == 60)
    #expect(answer1.1 == .pingFlood)
    let answer2 = passing(ping, upTo: 100, now: Self.second)
    #expect(answer2.0 == 1)
    #expect(answer2.1 == .pingFlood)
  }

  @Test("ten SETTINGS pass at once; acknowledgements do not count")
  mutating func settings() {
    let answer3 = passing(Self.frame(HTTP2FrameHeader.settings, flags: 1), upTo: 100)
    #expect(answer3.0 == 100)
    #expect(answer3.1 == nil)
    let answer4 = passing(Self.frame(HTTP2FrameHeader.settings), upTo: 100)
    #expect(answer4.0 == 10)
    #expect(answer4.1 == .settingsFlood)
  }

  @Test("WINDOW_UPDATEs go with streams and with the DATA that was sent")
  mutating func windowUpdates() {
    let update = Self.frame(HTTP2FrameHeader.windowUpdate, length: 4)
    // 1 + 2 x (0 streams + 10 x 0 frames)
    let answer5 = passing(update, upTo: 100)
    #expect(answer5.0 == 1)
    #expect(answer5.1 == .windowUpdateFlood)
    let answer6 = budgets.frameBegins(Self.frame(HTTP2FrameHeader.headers, length: 10), now: 0)
    #expect(answer6 == nil)
    budgets.dataSent(100)
    // 1 + 2 x (1 stream + 10 x 1 frame) = 23, of which 2 are spent, the refused one too.
    let answer7 = passing(update, upTo: 100)
    #expect(answer7.0 == 21)
    #expect(answer7.1 == .windowUpdateFlood)
  }

  @Test("a hundred PRIORITY frames pass for each stream and one more")
  mutating func priority() {
    let priority = Self.frame(HTTP2FrameHeader.priority, length: 5)
    let answer8 = passing(priority, upTo: 500)
    #expect(answer8.0 == 100)
    #expect(answer8.1 == .priorityFlood)
  }

  @Test("one empty DATA frame passes; the second in a row does not, unless it ends the stream")
  mutating func emptyData() {
    let answer9 = budgets.dataReceived(0, ends: false)
    #expect(answer9 == nil)
    let answer10 = budgets.dataReceived(0, ends: true)
    #expect(answer10 == nil)
    let answer11 = budgets.dataReceived(0, ends: false)
    #expect(answer11 == nil)
    let answer12 = budgets.dataReceived(0, ends: false)
    #expect(answer12 == .emptyDataFlood)
    let answer13 = budgets.dataReceived(5, ends: false)
    #expect(answer13 == nil)
  }

  @Test("overhead is what is neither a head nor a body, above a mebibyte and eight times those")
  mutating func overhead() {
    let answer14 = budgets.received(1_048_576)
    #expect(answer14 == nil)
    let answer15 = budgets.received(1)
    #expect(answer15 == .overhead)
    // A head of 991 bytes and its 9 of header allow for 8 x 1000 more.
    let answer16 = budgets.frameBegins(Self.frame(HTTP2FrameHeader.headers, length: 991), now: 0)
    #expect(answer16 == nil)
    let answer17 = budgets.received(7_999)
    #expect(answer17 == nil)
    let answer18 = budgets.received(1)
    #expect(answer18 == .overhead)
  }

  @Test("what a reset stream's peer had under way is no overhead")
  mutating func resetStream() {
    budgets.resetSent(windowBytes: 65_536)
    let within = budgets.received(1_048_576 + 65_536)
    #expect(within == nil)
    let beyond = budgets.received(1)
    #expect(beyond == .overhead)
  }

  @Test("two hundred early resets pass in thirty seconds, and again after thirty more")
  mutating func resets() {
    for _ in 0..<200 {
      let passed = budgets.earlyReset(now: 0) == nil
      #expect(passed)
    }
    let answer19 = budgets.earlyReset(now: 0)
    #expect(answer19 == .rapidReset)
    for _ in 0..<200 {
      let passed = budgets.earlyReset(now: 31 * Self.second) == nil
      #expect(passed)
    }
    let answer20 = budgets.slip(now: 31 * Self.second)
    #expect(answer20 == nil, "slips have a budget of their own")
  }
}

@Suite("Reading pace")
struct ReadingPaceTests {
  private let limit = SlowReaderLimit(silenceMicroseconds: 60, floorBytes: 1024, floorMicroseconds: 10)

  @Test("a reader for whom nothing waits is never slow")
  func idle() {
    var pace = ReadingPace()
    let pace21 = pace.isEnough(limit, now: 1000)
    #expect(pace21)
    pace.begin(now: 1)
    pace.end()
    let pace22 = pace.isEnough(limit, now: 1000)
    #expect(pace22)
  }

  @Test("a reader who takes nothing has until the silence's end")
  func silent() {
    var pace = ReadingPace()
    pace.begin(now: 100)
    let pace23 = pace.isEnough(limit, now: 160)
    #expect(pace23)
    let pace24 = pace.isEnough(limit, now: 161)
    #expect(!pace24)
  }

  @Test("a reader who takes a byte now and then is slow when a window ends")
  func dripping() {
    var pace = ReadingPace()
    pace.begin(now: 100)
    pace.took(1, now: 105)
    let pace25 = pace.isEnough(limit, now: 109)
    #expect(pace25)
    let pace26 = pace.isEnough(limit, now: 110)
    #expect(!pace26)
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
