// A client's HTTP/2 connection.

import CNghttp2

/// Who answers the requests of a client's connection.
protocol RequestReceiver: AnyObject {
  /// A stream for a request that has begun; nil to refuse it.
  func makeStream(on client: any ClientSide) -> RelayedStream?
  /// A connection, or a stream of it, is ended for what the client did or did not do.
  func connectionCut(_ connection: Connection, reason: ConnectionCut)
  /// What is no request that a stream could be made for was answered with the status; its connection ends.
  func requestRefused(_ connection: Connection, status: Int)
}

final class HTTP2ServerSession: HTTP2Session, ClientSide {
  let connectionMemory: ConnectionMemory
  var clientProtocol: ClientProtocolVersion { .http2 }
  var openStreams: Int { streams.count }

  private let receiver: any RequestReceiver
  private let streams = StreamList()
  private let idleTimeoutMicroseconds: Int64
  private var idleSince: Int64
  private let drainMicroseconds: Int64
  private var secondGoawayAt: Int64 = 0
  /// When a drain has had its time.
  private var drainEndsAt = Int64.max
  private var rests = false
  /// Between requests that follow each other nothing is given back.
  private static let restMicroseconds: Int64 = 1_000_000

  /// - Parameter drainMicroseconds: how long a drain waits for streams: longer than any may take
  init(
    connection: Connection, limits: HTTP2Limits, idleTimeoutMicroseconds: Int64, drainMicroseconds: Int64,
    memory: ConnectionMemory, receiver: any RequestReceiver
  ) throws {
    self.receiver = receiver
    self.idleTimeoutMicroseconds = idleTimeoutMicroseconds
    self.drainMicroseconds = drainMicroseconds
    connectionMemory = memory
    idleSince = connection.loop.now
    try super.init(connection: connection, limits: limits)
  }

  /// Takes no new streams, ends the others in peace, then closes (RFC 9113, section 6.8: a notice first, so that
  /// requests already under way are not refused).
  func drain() {
    goAway()
    guard secondGoawayAt == 0 else { return }
    secondGoawayAt = connection.loop.now + 500_000
    drainEndsAt = connection.loop.now + drainMicroseconds
  }

  /// No request is under way.
  override var isIdle: Bool { streams.isEmpty }

  override func sweep(now: Int64) {
    super.sweep(now: now)
    if now >= drainEndsAt { return connection.close() }
    if secondGoawayAt != 0, now >= secondGoawayAt {
      secondGoawayAt = .max
      let last = nghttp2_session_get_last_proc_stream_id(session)
      nghttp2_submit_goaway(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, NGHTTP2_NO_ERROR.rawValue, nil, 0)
      connection.needsFlush()
    }
    if isIdle, !rests, now - idleSince > Self.restMicroseconds {
      rests = true
      rest()
    }
    if isIdle, secondGoawayAt == 0, now - idleSince > idleTimeoutMicroseconds {
      receiver.connectionCut(connection, reason: .idle)
      drain()
    }
  }

  // MARK: Requests

  override func streamBegan(_ streamID: Int32) -> RelayedStream? {
    guard let stream = receiver.makeStream(on: self) else { return nil }
    rests = false
    stream.client = self
    stream.clientStreamID = streamID
    streams.add(stream)
    return stream
  }

  override func appendField(
    _ stream: RelayedStream, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Bool {
    if stream.requestHeadDone { return appendTrailer(stream, name, value) }
    guard stream.request.count < limits.headerFields,
      stream.request.listSize + name.count + value.count + 32 <= limits.headerListBytes
    else {
      stream.requestHeadTooLarge = true
      // What is beyond is refused with an answer; what is far beyond ends the connection, because its block would have
      // to be decoded to the end otherwise: one byte can name a field of four thousand, and a hundred thousand bytes
      // come at once.
      stream.requestHeadExcess += name.count + value.count + 32
      guard stream.requestHeadExcess > 3 * limits.headerListBytes else { return true }
      stream.requestHeadCutOff()
      cut(.headerBomb)
      return false
    }
    stream.request.append(name, value)
    return true
  }

  /// Trailers beyond the limits are left out, as RFC 9110, section 6.5.1, allows.
  private func appendTrailer(
    _ stream: RelayedStream, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Bool {
    if stream.requestTrailers.count < limits.headerFields,
      stream.requestTrailers.listSize + name.count + value.count + 32 <= limits.trailerBytes
    {
      stream.requestTrailers.append(name, value)
    }
    return true
  }

  override func resetReceived(_ stream: RelayedStream) -> Bool {
    stream.answerDataSent || countEarlyReset()
  }

  override func bodyReceived(_ stream: RelayedStream, _ bytes: UnsafeRawBufferPointer) {
    stream.requestBodyReceived(bytes)
  }

  override func headersReceived(_ stream: RelayedStream, ends: Bool) {
    headEnded()
    if stream.requestHeadDone {
      // Trailers, which end the request.
      note(.end, stream)
      return
    }
    stream.requestHeadDone = true
    stream.requestHeadInvalid = !HTTP2RequestRules.allow(stream.request)
    stream.requestHeadReceived(endsRequest: ends)
  }

  override func act(on event: HTTP2Event, _ stream: RelayedStream) {
    switch event.kind {
    case .body: stream.requestBodyProgressed()
    case .end: stream.requestEndReceived()
    case .closed: close(stream)
    }
  }

  override func allClosed() {
    while let stream = streams.last { close(stream) }
  }

  private func close(_ stream: RelayedStream) {
    guard stream.clientSlot >= 0 else { return }
    streams.remove(stream)
    stream.client = nil
    if streams.isEmpty { idleSince = connection.loop.now }
    stream.clientClosed()
  }

  // MARK: ClientSide

  func sendInformation(_ stream: RelayedStream, _ head: borrowing HeaderBlock) {
    let fields = head.nghttp2Fields(in: connection.loop.buffers, copied: true)
    nghttp2_submit_headers(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.clientStreamID, nil, fields.baseAddress,
      fields.count, nil)
    connection.needsFlush()
  }

  func sendHead(_ stream: RelayedStream, ends: Bool) {
    if ends { stream.answerFinishing() }
    let fields = stream.answer.nghttp2Fields(in: connection.loop.buffers)
    let result: Int32
    if ends {
      result = nghttp2_submit_response(session, stream.clientStreamID, fields.baseAddress, fields.count, nil)
    } else {
      var provider = HTTP2Callbacks.provider(for: stream)
      result = nghttp2_submit_response(
        session, stream.clientStreamID, fields.baseAddress, fields.count, &provider)
    }
    if result != 0 { reset(stream.clientStreamID, NGHTTP2_INTERNAL_ERROR) }
    connection.needsFlush()
  }

  func releaseSentHead(_ stream: RelayedStream) {
    // DATA is in no queue: whatever had to be packed before it has been.
    guard stream.answer.count > 0, nghttp2_session_get_outbound_queue_size(session) == 0 else { return }
    stream.answer.release()
  }

  func wake(_ stream: RelayedStream) {
    if stream.clientWaits {
      stream.clientWaits = false
      nghttp2_session_resume_data(session, stream.clientStreamID)
    }
    connection.needsFlush()
  }

  func abort(_ stream: RelayedStream) {
    reset(stream.clientStreamID, NGHTTP2_INTERNAL_ERROR)
  }

  /// RFC 9113, section 8.1: the client is asked to stop, and its answer stays whole.
  func endRequest(_ stream: RelayedStream) {
    receiver.connectionCut(connection, reason: .refusedBody)
    reset(stream.clientStreamID, NGHTTP2_NO_ERROR)
  }

  func abortSlowReader(_ stream: RelayedStream) {
    let silence = connection.slowReader?.silenceMicroseconds ?? .max
    if connection.loop.now - connection.lastReceivedAt > silence {
      // It does not only leave this stream unread: nothing at all has come from it.
      connection.close(.cut(.slowReader))
    } else {
      receiver.connectionCut(connection, reason: .slowReader)
      reset(stream.clientStreamID, NGHTTP2_ENHANCE_YOUR_CALM)
    }
  }

  func credit(_ stream: RelayedStream, _ count: Int) {
    nghttp2_session_consume_stream(session, stream.clientStreamID, count)
    if nghttp2_session_want_write(session) != 0 { connection.needsFlush() }
  }

  override func bodyAvailable(_ stream: RelayedStream, most: Int) -> (count: Int, ends: Bool)? {
    // The head has been sent: DATA follows it. Given back while it is in the processor's cache.
    if stream.answer.count > 0 { stream.answer.release() }
    let waiting = stream.answerBody.count
    let count = min(waiting, most)
    let ends = stream.answerEnded && count == waiting
    if ends {
      stream.answerFinishing()
      if stream.answerTrailers.count > 0 { sendTrailers(stream) }
    } else if count == 0 {
      stream.clientWaits = true
      return nil
    }
    return (count, ends)
  }

  private func sendTrailers(_ stream: RelayedStream) {
    let fields = stream.answerTrailers.nghttp2Fields(in: connection.loop.buffers)
    nghttp2_submit_trailer(session, stream.clientStreamID, fields.baseAddress, fields.count)
  }

  override func hasTrailers(_ stream: RelayedStream) -> Bool { stream.answerTrailers.count > 0 }

  override func copyBody(_ stream: RelayedStream, into space: UnsafeMutableRawPointer, count: Int) -> Bool {
    if count == 0 { return true }
    let bytes = stream.answerBody.readable
    guard bytes.count >= count, let start = bytes.baseAddress else { return false }
    space.copyMemory(from: start, byteCount: count)
    stream.answerDataSent = true
    stream.answerBody.consume(count)
    stream.answerTaken(count)
    return true
  }
}
