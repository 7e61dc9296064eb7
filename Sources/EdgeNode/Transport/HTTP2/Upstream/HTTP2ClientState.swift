// What changes with each frame of a connection to an upstream, in one block of memory.

struct HTTP2ClientState: ~Copyable {
  // Receiving.
  var reader = HTTP2FrameReader()
  var decoder: HPACKDecoder
  var head = HeadUnderWay()
  var receiving: ReceiveWindow
  var budgets: FloodBudgets
  /// The numbers of streams that have progress to tell of.
  let progressed = PooledList<Int32>()
  var hasReceivedFrame = false
  /// The peer knows our settings.
  var isAcknowledged = false
  /// When the head under way began; 0 for none.
  var headBeganAt: Int64 = 0

  // Sending.
  var control = ControlFrames()
  var sending = SendWindow(HTTP2Limits.usualWindowBytes)
  var peer = PeerSettings()
  var hasSettings = false
  /// The peer has been told that we use no table; see `HPACKEncoder`.
  var hasEmptiedTable = false
  var nextID: Int32 = 1
  /// The peer has said that it looks at no stream above.
  var lastServedID = Int32.max

  /// Those whose heads have been sent.
  var streams = StreamTable<UpstreamStream>()
  var heads = UpstreamStreamQueue(.heads)
  var bodies = UpstreamStreamQueue(.bodies)
  /// The connection has been cut, or is gone: nothing more is read, and nothing said but why.
  var isOver = false

  init(_ limits: HTTP2Limits) throws {
    decoder = try HPACKDecoder()
    receiving = ReceiveWindow(max(limits.connectionWindowBytes, HTTP2Limits.usualWindowBytes))
    budgets = FloodBudgets(limits)
    control.begin(limits)
  }

  var activeStreams: Int { streams.count &+ heads.count }

  var maySendHead: Bool { heads.first != nil && streams.count < peer.mostStreams }

  /// No stream of ours has had this number. The peer begins none, as it may not push.
  func isIdle(_ streamID: Int32) -> Bool { streamID & 1 == 0 || streamID >= nextID }
}

/// The head, or the trailers, whose block has begun and is not whole.
struct HeadUnderWay: BitwiseCopyable {
  /// 0 where there is none.
  var streamID: Int32 = 0
  /// nil where nobody wants it. Its block has to be read for the table's sake.
  var stream: UpstreamStream.Pointer?
  var ends = false
  var continuations = 0
  /// Names and values so far, by the measure of `HeaderBlock.listSize`.
  var bytes = 0
  var rules = AnswerHeadRules(trailers: false)
}
