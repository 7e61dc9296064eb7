// A connection to an upstream that speaks HTTP/2: many exchanges at once.

import CNghttp2

final class HTTP2ClientSession: HTTP2Session, UpstreamSide {
  /// Whether new requests may go here.
  private(set) var acceptsRequests = true
  var activeStreams: Int { streams.count }
  private(set) var idleSince: Int64

  private let streams = StreamList(upstream: true)
  /// So many requests go to a peer before it has said how many it takes. What is beyond that waits with the pool and can
  /// go elsewhere; it is not for long, because the peer says so first of all.
  private static let streamsBeforeSettings = 8
  private var hasSettings = false
  /// An answer has come over this connection, so it is known to work.
  private var hasAnswered = false

  private let streamEnded: () -> Void

  /// - Parameter streamEnded: there may be room for another request
  init(connection: Connection, limits: HTTP2Limits, streamEnded: @escaping () -> Void) throws {
    self.streamEnded = streamEnded
    idleSince = connection.loop.now
    try super.init(connection: connection, limits: limits, isServer: false)
  }

  /// Sends the stream's `forwarded` head and its body.
  func start(_ stream: RelayedStream) {
    stream.beginAnswer()
    stream.upstreamWaits = false
    let owner = Unmanaged.passUnretained(stream).toOpaque()
    let fields = stream.forwarded.nghttp2Fields(in: connection.loop.buffers)
    let streamID: Int32
    if stream.requestIsSent, stream.requestTrailers.count == 0 {
      streamID = nghttp2_submit_request(session, nil, fields.baseAddress, fields.count, nil, owner)
    } else {
      var provider = HTTP2Callbacks.provider(for: stream)
      streamID = nghttp2_submit_request(session, nil, fields.baseAddress, fields.count, &provider, owner)
    }
    guard streamID >= 0 else {
      acceptsRequests = false
      stream.upstreamFailed(.staleConnection)
      return
    }
    stream.upstream = self
    stream.upstreamStreamID = streamID
    streams.add(stream)
    streamOpened(streamID)
    connection.needsFlush()
    stream.upstreamStarted(on: self)
  }

  override var receivesAtMost: Int { LoopBuffers.windowedSize }

  /// How many more requests the peer and we allow here now.
  var room: Int {
    guard acceptsRequests, !connection.isClosed else { return 0 }
    return (mostStreams ?? min(Self.streamsBeforeSettings, limits.concurrentStreams)) - streams.count
  }

  /// How many requests the peer and we allow here at once; nil until the peer has said so.
  var mostStreams: Int? {
    guard hasSettings else { return nil }
    let theirs = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
    return min(Int(theirs), limits.concurrentStreams)
  }

  // MARK: Answers

  override func appendField(
    _ stream: RelayedStream, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Bool {
    // What an answer needs has left the processor's cache while it was waited for; fetched in the order of its pointers.
    switch stream.upstreamHead.count {
    case 0: stream.prefetch()
    case 2: stream.prefetchRequest()
    default: break
    }
    // Behind the answer's head only trailers come; its block is free again.
    guard stream.upstreamHead.count < limits.headerFields,
      stream.upstreamHead.listSize + name.count + value.count + 32 <= limits.headerListBytes
    else { return false }
    stream.upstreamHead.append(name, value)
    return true
  }

  override func bodyReceived(_ stream: RelayedStream, _ bytes: UnsafeRawBufferPointer) {
    stream.upstreamBodyReceived(bytes)
  }

  override func act(on event: HTTP2Event, _ stream: RelayedStream) {
    // The relay may have let go of the stream since the event was noted.
    guard stream.upstream === self else { return }
    switch event.kind {
    case .body: stream.upstreamBodyProgressed()
    case .end: end(stream)
    case .closed: closed(stream, code: event.code)
    }
  }

  override func headersReceived(_ stream: RelayedStream, ends: Bool) {
    headEnded()
    guard stream.upstream === self else { return }
    hasAnswered = true
    if stream.upstreamHeadDone {
      // Trailers, which end the answer.
      stream.upstreamTrailersReceived()
      note(.end, stream)
      return
    }
    guard let status = stream.upstreamHead.value(.status)?.decimal else {
      fail(stream, .malformed)
      return
    }
    if status < 200 {
      if !stream.takeInformation(status: status) { fail(stream, .malformed) }
      return
    }
    stream.upstreamHeadDone = true
    stream.upstreamHeadReceived(status: status, endsAnswer: ends)
    if ends { note(.end, stream) }
  }

  private func end(_ stream: RelayedStream) {
    guard stream.upstream === self, !stream.upstreamEnded else { return }
    stream.upstreamEnded = true
    stream.upstreamEndReceived()
  }

  private func closed(_ stream: RelayedStream, code: UInt32) {
    detach(stream)
    if stream.upstreamEnded {
      stream.upstreamClosed()
      return
    }
    let untouched = code == NGHTTP2_REFUSED_STREAM.rawValue
    stream.upstreamFailed(untouched ? .staleConnection : .reset)
  }

  private func fail(_ stream: RelayedStream, _ failure: UpstreamFailure) {
    release(stream)
    stream.upstreamFailed(failure)
  }

  override func settingsReceived() {
    guard !hasSettings else { return }
    hasSettings = true
    // There may be more room now.
    streamEnded()
  }

  override func goawayReceived() {
    acceptsRequests = false
  }

  override func allClosed() {
    acceptsRequests = false
    while let stream = streams.last {
      detach(stream)
      if stream.upstreamEnded {
        stream.upstreamClosed()
      } else {
        stream.upstreamFailed(hasAnswered && !stream.upstreamHeadDone ? .staleConnection : .closed)
      }
    }
  }

  private func detach(_ stream: RelayedStream) {
    streams.remove(stream)
    stream.upstream = nil
    if streams.isEmpty {
      idleSince = connection.loop.now
      if !acceptsRequests { connection.closeAfterFlush() }
    }
    streamEnded()
  }

  /// Lets go of a stream that nghttp2 still has.
  private func release(_ stream: RelayedStream) {
    let streamID = stream.upstreamStreamID
    detach(stream)
    forgetStream(streamID)
    // Refused for a stream that has closed, which must not be reset: the peer counts resets. A request that has not been
    // sent yet is known by it too, and the reset takes it back.
    guard nghttp2_session_set_stream_user_data(session, streamID, nil) == 0 else { return }
    reset(streamID, NGHTTP2_CANCEL)
  }

  // MARK: UpstreamSide

  func wake(_ stream: RelayedStream) {
    if stream.upstreamWaits {
      stream.upstreamWaits = false
      nghttp2_session_resume_data(session, stream.upstreamStreamID)
    }
    connection.needsFlush()
  }

  func credit(_ stream: RelayedStream, _ count: Int) {
    nghttp2_session_consume_stream(session, stream.upstreamStreamID, count)
    if nghttp2_session_want_write(session) != 0 { connection.needsFlush() }
  }

  func cancel(_ stream: RelayedStream) {
    guard stream.upstream === self else { return }
    release(stream)
  }

  override func bodyAvailable(_ stream: RelayedStream, most: Int) -> (count: Int, ends: Bool)? {
    // The head has been sent: DATA follows it. Given back while it is in the processor's cache.
    if stream.forwarded.count > 0 { stream.forwarded.release() }
    let waiting = stream.unsentCount
    let count = min(waiting, most)
    let ends = stream.forwardedEnded && count == waiting
    if ends {
      if hasTrailers(stream) { sendTrailers(stream) }
    } else if count == 0 {
      stream.upstreamWaits = true
      return nil
    }
    return (count, ends)
  }

  override func copyBody(_ stream: RelayedStream, into space: UnsafeMutableRawPointer, count: Int) -> Bool {
    if count == 0 { return true }
    let bytes = stream.unsent
    guard bytes.count >= count, let start = bytes.baseAddress else { return false }
    space.copyMemory(from: start, byteCount: count)
    stream.sent(count)
    return true
  }

  private func sendTrailers(_ stream: RelayedStream) {
    let fields = stream.requestTrailers.nghttp2Fields(in: connection.loop.buffers)
    nghttp2_submit_trailer(session, stream.upstreamStreamID, fields.baseAddress, fields.count)
  }

  override func hasTrailers(_ stream: RelayedStream) -> Bool { stream.requestTrailers.count > 0 }

  // MARK: Upkeep

  /// No request comes any more; closes when the last has its answer.
  func retire() {
    acceptsRequests = false
    if streams.isEmpty { connection.closeAfterFlush() }
  }
}
