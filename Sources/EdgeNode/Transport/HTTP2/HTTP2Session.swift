// nghttp2 bound to a client's connection. Callbacks copy and note; what they noted is acted upon after nghttp2 has
// returned, when it may be called again. Heads alone are acted upon at once, because the bytes behind them depend on it.

import CLinux
import CNghttp2

/// What happened in one call of `nghttp2_session_mem_recv`.
struct HTTP2Event: BitwiseCopyable {
  enum Kind: UInt8 {
    case body, end, closed
  }

  let kind: Kind
  let code: UInt32
  let stream: Unmanaged<RelayedStream>
}

class HTTP2Session: Session {
  final let connection: Connection
  final let limits: HTTP2Limits
  final private(set) var goingAway = false
  final private var pointer: OpaquePointer?
  final private var frameBuffer: UnsafeMutableRawPointer?
  final private var streamTable: UnsafeMutableRawPointer?
  final private let events = PooledList<HTTP2Event>()
  /// Where `mem_send` puts DATA frames while `produce` runs.
  final private var output: UnsafeMutableRawBufferPointer?
  final private var outputCount = 0
  /// A DATA frame found no room: nghttp2 comes with it again before it sends anything else.
  final private(set) var frameWaited = false
  /// What `mem_send` gave and did not fit: it lives only until the next call, so it is kept here.
  final private let carried = ByteQueue()
  /// What was received and is not acted upon yet; see `requestsAtOnce`.
  final private let unread = ByteQueue()
  /// Of those that the peer may begin before others have their turn.
  final private var requestsLeft = HTTP2Session.requestsAtOnce
  /// A hundred requests in one piece would keep everybody else waiting for milliseconds.
  private static let requestsAtOnce = 25
  final private var failed = false
  /// Behind a pointer, as all that changes with each frame.
  final private let budgets: UnsafeMutablePointer<FloodBudgets>
  /// Set when the peer has used up a budget or broken the protocol: the connection ends for it.
  final private var cutReason: ConnectionCut?
  /// When the frame under way began, if it is a head's; 0 for none.
  final private var headBeganAt: Int64 = 0
  /// The highest stream that has begun.
  final private var highestID: Int32 = 0
  final private var hasReceivedFrame = false
  final private let openedAt: Int64
  /// The stream that nghttp2 named last: a block's fields and a body's chunks come in runs.
  final private var latestID: Int32 = 0
  final private var latest: Unmanaged<RelayedStream>?

  init(connection: Connection, limits: HTTP2Limits) throws {
    self.connection = connection
    self.limits = limits
    budgets = placeInPool(FloodBudgets(limits))
    openedAt = connection.loop.now
    super.init()
    (pointer, frameBuffer) = try HTTP2Callbacks.makeSession(for: self)
    try configure()
  }

  deinit {
    nghttp2_session_del(pointer)
    takeOutOfPool(budgets)
  }

  // MARK: For subclasses

  /// The raw session, for calls that only a subclass makes.
  final var session: OpaquePointer? { pointer }

  /// A request has begun: whose stream is it? nil refuses it.
  func streamBegan(_ streamID: Int32) -> RelayedStream? { nil }
  /// The head's block into which a field of the stream goes.
  func appendField(_ stream: RelayedStream, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer)
    -> Bool
  {
    false
  }
  func bodyReceived(_ stream: RelayedStream, _ bytes: UnsafeRawBufferPointer) {}
  /// A head is whole, or trailers are.
  func headersReceived(_ stream: RelayedStream, ends: Bool) {}
  func act(on event: HTTP2Event, _ stream: RelayedStream) {}
  /// The peer has reset a stream.
  /// - Returns: whether it may go on
  func resetReceived(_ stream: RelayedStream) -> Bool { true }
  func allClosed() {}
  /// The bytes that a DATA frame of the stream may take next; see `HTTP2Callbacks`.
  func bodyAvailable(_ stream: RelayedStream, most: Int) -> (count: Int, ends: Bool)? { nil }
  /// Trailers end the stream, and not its last DATA frame.
  func hasTrailers(_ stream: RelayedStream) -> Bool { false }
  /// - Returns: whether so many bytes were there; the stream must be reset where they were not
  func copyBody(_ stream: RelayedStream, into space: UnsafeMutableRawPointer, count: Int) -> Bool { false }

  final func note(_ kind: HTTP2Event.Kind, _ stream: RelayedStream, code: UInt32 = 0) {
    events.append(HTTP2Event(kind: kind, code: code, stream: Unmanaged.passUnretained(stream)))
  }

  final func reset(_ streamID: Int32, _ code: nghttp2_error_code) {
    nghttp2_submit_rst_stream(pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), streamID, code.rawValue)
    connection.needsFlush()
  }

  /// Gives back what is not needed while no stream is open.
  final func rest() {
    guard carried.isEmpty, nghttp2_session_want_write(pointer) == 0 else { return }
    strait_nghttp2_rest(frameBuffer, streamTable)
    carried.release()
    events.release()
  }

  /// No new streams; those that run go on.
  final func goAway() {
    guard !goingAway else { return }
    goingAway = true
    nghttp2_submit_shutdown_notice(pointer)
    connection.needsFlush()
  }

  // MARK: Session

  final override func receive(_ bytes: UnsafeRawBufferPointer) {
    guard cutReason == nil else { return }
    guard unread.isEmpty else {
      unread.append(bytes)
      return goOn(taken: 0, of: bytes.count)
    }
    requestsLeft = Self.requestsAtOnce
    let taken = take(bytes)
    if taken >= 0, taken < bytes.count, cutReason == nil {
      unread.append(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
    }
    goOn(taken: taken, of: bytes.count)
  }

  final override var hasUnread: Bool { !unread.isEmpty }

  final override func receiveUnread() {
    guard cutReason == nil else { return unread.release() }
    requestsLeft = Self.requestsAtOnce
    let taken = take(unread.readable)
    if taken >= 0 { unread.consume(taken) }
    if taken < 0 || unread.isEmpty { unread.release() }
    goOn(taken: taken, of: 0)
  }

  /// - Returns: how many bytes nghttp2 has taken: fewer than there are where a callback has asked for a pause
  private final func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    let taken = nghttp2_session_mem_recv(
      pointer, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
    actOnEvents()
    return taken
  }

  /// - Parameter received: bytes that have come from the peer just now
  private final func goOn(taken: Int, of received: Int) {
    guard taken >= 0, cutReason == nil else {
      // nghttp2 has queued a GOAWAY where the protocol asks for one.
      let isFlood = taken == Int(NGHTTP2_ERR_FLOODED.rawValue)
      connection.closeAfterFlush(.cut(cutReason ?? (isFlood ? .queuedFrames : .protocolError)))
      return
    }
    if let reason = budgets.pointee.received(received) ?? queueBreach {
      cut(reason)
      connection.closeAfterFlush(.cut(reason))
    } else if wantsNothing {
      connection.closeAfterFlush(end)
    } else if nghttp2_session_want_write(pointer) != 0 {
      connection.needsFlush()
    }
  }

  private final var queueBreach: ConnectionCut? {
    nghttp2_session_get_outbound_queue_size(pointer) > limits.queuedFrames ? .queuedFrames : nil
  }

  /// What the connection's end is called.
  private final var end: ConnectionEnd { cutReason.map { .cut($0) } ?? .closedHere }

  /// Looks at what the peer has begun and not ended.
  override func sweep(now: Int64) {
    let began = hasReceivedFrame ? headBeganAt : openedAt
    guard began != 0, now - began > limits.headerBlockMicroseconds, cutReason == nil else { return }
    cut(.headTimeout)
    connection.closeAfterFlush(.cut(.headTimeout))
  }

  final override func receiveEnd(inOrder: Bool) {
    connection.close(.peerClosed)
  }

  final override func produce(into space: UnsafeMutableRawBufferPointer) -> Int {
    guard !failed, let base = space.baseAddress else { return 0 }
    output = space
    outputCount = 0
    defer { output = nil }
    if !carried.isEmpty {
      outputCount = min(carried.count, space.count)
      base.copyMemory(from: carried.readable.baseAddress.unsafelyUnwrapped, byteCount: outputCount)
      carried.consume(outputCount)
    }
    while carried.isEmpty {
      var bytes: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(pointer, &bytes)
      guard count > 0, let bytes else {
        if count < 0 { failed = true }
        break
      }
      let room = space.count - outputCount
      let fits = min(room, count)
      (base + outputCount).copyMemory(from: bytes, byteCount: fits)
      outputCount += fits
      if fits < count { carried.append(UnsafeRawBufferPointer(start: bytes + fits, count: count - fits)) }
    }
    actOnEvents()
    if outputCount == 0, failed || wantsNothing { connection.closeAfterFlush(end) }
    return outputCount
  }

  final override func connectionClosed() {
    failed = true
    allClosed()
    actOnEvents()
    output = nil
  }

  private final var wantsNothing: Bool {
    nghttp2_session_want_read(pointer) == 0 && nghttp2_session_want_write(pointer) == 0
  }

  /// Acting can make nghttp2 note more (a reset closes a stream at once), so the list is read by index to its end.
  private final func actOnEvents() {
    guard !events.isEmpty else { return }
    var index = 0
    while index < events.count {
      let event = events[index]
      index += 1
      event.stream._withUnsafeGuaranteedRef { act(on: event, $0) }
    }
    events.removeAll()
  }

  private final func configure() throws {
    var settings = [
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
        value: UInt32(limits.streamWindowBytes)),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
        value: UInt32(limits.headerListBytes)),
    ]
    // The protocol's own need not be said.
    if limits.tableBytes != HTTP2Limits.usualTableBytes {
      settings.append(
        nghttp2_settings_entry(
          settings_id: Int32(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE.rawValue), value: UInt32(limits.tableBytes)))
    }
    settings.append(
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
        value: UInt32(limits.concurrentStreams)))
    let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
    guard nghttp2_submit_settings(pointer, none, settings, settings.count) == 0,
      nghttp2_session_set_local_window_size(pointer, none, 0, Int32(limits.connectionWindowBytes)) == 0
    else { throw HTTP2SetupError() }
  }

  // MARK: For the callbacks

  /// - Returns: whether the peer may go on
  final func frameBegins(_ frame: HTTP2FrameHeader) -> Bool {
    hasReceivedFrame = true
    // A frame that does not go on with a head has none before it that is not whole.
    switch frame.type {
    case HTTP2FrameHeader.headers: headBegins(frame.streamID)
    case HTTP2FrameHeader.continuation: break
    default: headBeganAt = 0
    }
    guard let reason = budgets.pointee.frameBegins(frame, now: connection.loop.now) else { return true }
    cut(reason)
    return false
  }

  private final func headBegins(_ streamID: Int32) {
    headBeganAt = connection.loop.now
    guard streamID <= highestID else { return }
    if let stream = stream(streamID) {
      // It has waited for its answer, and has left the processor's cache meanwhile.
      strait_prefetch(stream.toOpaque(), RelayedStream.prefetchedBytes)
    } else {
      // Of a head on a stream that has ended here nghttp2 tells no end.
      headBeganAt = 0
    }
  }

  /// - Returns: whether the peer may go on
  final func countData(_ bytes: Int, ends: Bool) -> Bool {
    guard let reason = budgets.pointee.dataReceived(bytes, ends: ends) else { return true }
    cut(reason)
    return false
  }

  /// - Returns: whether the peer may go on
  final func countEarlyReset() -> Bool {
    guard let reason = budgets.pointee.earlyReset(now: connection.loop.now) else { return true }
    cut(reason)
    return false
  }

  /// A reset of ours has gone out. Those that the peer has provoked are counted, whatever it did to provoke them.
  final func resetSent(_ code: UInt32) {
    budgets.pointee.resetSent(windowBytes: limits.streamWindowBytes)
    switch code {
    case NGHTTP2_NO_ERROR.rawValue, NGHTTP2_INTERNAL_ERROR.rawValue, NGHTTP2_CANCEL.rawValue: break
    default: countSlip()
    }
  }

  final func countSlip() {
    guard let reason = budgets.pointee.slip(now: connection.loop.now) else { return }
    cut(reason)
    connection.closeAfterFlush(.cut(reason))
  }

  final func goawaySent(_ code: UInt32) {
    if code != NGHTTP2_NO_ERROR.rawValue, cutReason == nil { cutReason = .protocolError }
  }

  /// A request has begun.
  final func spendRequest() { requestsLeft &-= 1 }

  /// So many have begun that the rest has to wait for others.
  final var isBurst: Bool { requestsLeft < 0 }

  final func headEnded() { headBeganAt = 0 }

  final var isCut: Bool { cutReason != nil }

  /// Tells the peer why its connection ends, and takes no more of it.
  final func cut(_ reason: ConnectionCut) {
    guard cutReason == nil else { return }
    cutReason = reason
    nghttp2_session_terminate_session(pointer, NGHTTP2_ENHANCE_YOUR_CALM.rawValue)
  }

  @inline(__always)
  final func stream(_ streamID: Int32) -> Unmanaged<RelayedStream>? {
    if streamID == latestID { return latest }
    return lookUp(streamID)
  }

  private final func lookUp(_ streamID: Int32) -> Unmanaged<RelayedStream>? {
    guard streamID != 0, let owner = nghttp2_session_get_stream_user_data(pointer, streamID) else {
      return nil
    }
    latestID = streamID
    latest = Unmanaged<RelayedStream>.fromOpaque(owner)
    return latest
  }

  final func adopt(_ stream: RelayedStream, _ streamID: Int32) {
    if highestID == 0 { streamTable = strait_nghttp2_latest_table() }
    highestID = streamID
    latestID = streamID
    latest = Unmanaged.passUnretained(stream)
    nghttp2_session_set_stream_user_data(pointer, streamID, latest?.toOpaque())
  }

  /// nghttp2 no longer knows the stream, or must not name it any more.
  final func forgetStream(_ streamID: Int32) {
    guard streamID == latestID else { return }
    latestID = 0
    latest = nil
  }

  /// Whether a frame that has waited is still that of the stream which it was made for.
  final func isStill(_ pointer: UnsafeMutableRawPointer, _ streamID: Int32) -> Bool {
    frameWaited = false
    return stream(streamID)?.toOpaque() == pointer
  }

  /// Puts a DATA frame into the output, header and body in one piece.
  /// - Returns: nghttp2's word for what became of it
  final func writeDataFrame(_ stream: RelayedStream, header: UnsafePointer<UInt8>, count: Int) -> Int32 {
    guard let base = output?.baseAddress, let room = output?.count, room - outputCount >= count + 9 else {
      frameWaited = true
      return NGHTTP2_ERR_WOULDBLOCK.rawValue
    }
    // The output is memory that others' bytes have been in.
    guard copyBody(stream, into: base + outputCount + 9, count: count) else {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
    (base + outputCount).copyMemory(from: header, byteCount: 9)
    outputCount += count + 9
    budgets.pointee.dataSent(count)
    return 0
  }
}

struct HTTP2SetupError: Error {}
