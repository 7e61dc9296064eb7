// A connection to an upstream that speaks HTTP/2: many exchanges at once. Here is what the pool and the relay ask of it;
// what it reads and writes is in the extensions. The relay may call it at any moment, also while it is told of a frame: a
// stream is looked up again after each such call.

import CLinux

final class HTTP2ClientSession: Session, UpstreamSide {
  let connection: Connection
  let limits: HTTP2Limits
  /// Behind a pointer, so that nothing is checked for exclusivity.
  let state: UnsafeMutablePointer<HTTP2ClientState>
  /// Whether new requests may go here.
  private(set) var acceptsRequests = true
  var activeStreams: Int { state.pointee.activeStreams }
  private(set) var idleSince: Int64

  /// So many requests go to a peer before it has said how many it takes. What is beyond that waits with the pool and can
  /// go elsewhere; it is not for long, because the peer says so first of all.
  private static let streamsBeforeSettings = 8
  /// Behind this number no request is taken. There are enough above for all that have been taken.
  private static let lastID = Int32.max - 1_000_000
  /// Between requests that follow each other nothing is given back.
  private static let restMicroseconds: Int64 = 1_000_000
  /// An answer has come over this connection, so it is known to work.
  private var hasAnswered = false
  private var rests = false
  private let openedAt: Int64
  private let streamEnded: () -> Void

  /// - Parameter streamEnded: there may be room for another request
  init(connection: Connection, limits: HTTP2Limits, streamEnded: @escaping () -> Void) throws {
    self.connection = connection
    self.limits = limits
    self.streamEnded = streamEnded
    idleSince = connection.loop.now
    openedAt = connection.loop.now
    state = moveToPool(try HTTP2ClientState(limits))
  }

  deinit {
    takeOutOfPool(state)
  }

  // MARK: For the pool

  /// Sends the stream's `forwarded` head and its body.
  func start(_ stream: RelayedStream) {
    stream.beginAnswer()
    let entry = UpstreamStream.make(for: stream, window: limits.streamWindowBytes)
    stream.upstream = self
    stream.upstreamState = entry
    state.pointee.heads.append(entry)
    state.pointee.budgets.streamOpened()
    rests = false
    connection.needsFlush()
    stream.upstreamStarted(on: self)
  }

  override var receivesAtMost: Int { LoopBuffers.windowedSize }

  /// How many more requests the peer and we allow here now.
  var room: Int {
    guard acceptsRequests, !connection.isClosed else { return 0 }
    return (mostStreams ?? min(Self.streamsBeforeSettings, limits.concurrentStreams)) - activeStreams
  }

  /// How many requests the peer and we allow here at once; nil until the peer has said so.
  var mostStreams: Int? {
    state.pointee.hasSettings ? min(state.pointee.peer.mostStreams, limits.concurrentStreams) : nil
  }

  /// No request comes any more; closes when the last has its answer.
  func retire() {
    acceptsRequests = false
    if activeStreams == 0 { connection.closeAfterFlush() }
  }

  // MARK: UpstreamSide

  func wake(_ stream: RelayedStream) {
    if let entry = stream.upstreamState, entry.pointee.id != 0, entry.pointee.queue == .none,
      !entry.pointee.isSent
    {
      if stream.unsentCount == 0 {
        // Its end needs no window, and goes before those that may wait for one.
        if stream.forwardedEnded { state.pointee.bodies.prepend(entry) }
      } else if entry.pointee.sending.bytes > 0 {
        state.pointee.bodies.append(entry)
      }
    }
    connection.needsFlush()
  }

  func credit(_ stream: RelayedStream, _ count: Int) {
    if let entry = stream.upstreamState { giveBack(count, to: entry) }
  }

  func cancel(_ stream: RelayedStream) {
    guard stream.upstream === self, let entry = stream.upstreamState else { return }
    release(entry)
  }

  // MARK: Streams

  /// The peer may send so many more bytes on the stream.
  func giveBack(_ count: Int, to entry: UpstreamStream.Pointer) {
    let increment = entry.pointee.receiving.take(count)
    guard increment > 0, !entry.pointee.hasAnswer else { return }
    state.pointee.control.openWindow(entry.pointee.id, by: increment)
    connection.needsFlush()
  }

  /// Lets go of a stream that the peer may still have. One that has not been sent, or was reset by either side, needs no
  /// reset: peers count them.
  func release(_ entry: UpstreamStream.Pointer) {
    if entry.pointee.id != 0, !entry.pointee.isReset { reset(entry.pointee.id, .cancel) }
    detach(entry)
  }

  /// Request and answer are whole.
  func close(_ entry: UpstreamStream.Pointer) {
    let relayed = entry.pointee.relayed
    detach(entry)
    relayed._withUnsafeGuaranteedRef { $0.upstreamClosed() }
  }

  /// The stream is over before its end. What has come of it goes on first.
  func fail(_ entry: UpstreamStream.Pointer, _ failure: UpstreamFailure) {
    let (id, relayed) = (entry.pointee.id, entry.pointee.relayed)
    if entry.pointee.hasProgress {
      tellOfProgress(entry)
      guard state.pointee.streams.find(id) == entry else { return }
    }
    detach(entry)
    relayed._withUnsafeGuaranteedRef {
      if $0.upstreamEnded { $0.upstreamClosed() } else { $0.upstreamFailed(failure) }
    }
  }

  /// The peer has broken a rule that costs it the stream.
  func refuse(_ entry: UpstreamStream.Pointer, _ code: HTTP2ErrorCode) {
    reset(entry.pointee.id, code)
    entry.pointee.isReset = true
    if code != .internalError, let reason = state.pointee.budgets.slip(now: connection.loop.now) {
      cut(reason)
    }
    fail(entry, .reset)
  }

  private func reset(_ id: Int32, _ code: HTTP2ErrorCode) {
    state.pointee.control.reset(id, code)
    state.pointee.budgets.resetSent(windowBytes: limits.streamWindowBytes)
    connection.needsFlush()
  }

  private func detach(_ entry: UpstreamStream.Pointer) {
    switch entry.pointee.queue {
    case .none: break
    case .heads: state.pointee.heads.remove(entry)
    case .bodies: state.pointee.bodies.remove(entry)
    }
    if entry.pointee.id != 0 { state.pointee.streams.remove(entry.pointee.id) }
    if state.pointee.head.stream == entry { state.pointee.head.stream = nil }
    entry.pointee.relayed._withUnsafeGuaranteedRef {
      $0.upstream = nil
      $0.upstreamState = nil
    }
    UpstreamStream.give(entry)
    if activeStreams == 0 {
      idleSince = connection.loop.now
      if !acceptsRequests { connection.closeAfterFlush() }
    }
    streamEnded()
  }

  // MARK: The connection

  /// A stream has its number.
  func numberGiven(_ id: Int32) {
    if id > Self.lastID { acceptsRequests = false }
  }

  func answerReceived() { hasAnswered = true }

  /// The peer has said how many requests it takes.
  func settingsReceived() {
    guard !state.pointee.hasSettings else { return }
    state.pointee.hasSettings = true
    // There may be more room now.
    streamEnded()
  }

  /// The peer takes no new streams, and looks at none above a number.
  func goawayReceived(lastServed: Int32) {
    acceptsRequests = false
    state.pointee.lastServedID = lastServed
    while let entry = state.pointee.heads.first { fail(entry, .staleConnection) }
    failStreams(above: lastServed) { _ in .staleConnection }
    if activeStreams == 0 { connection.closeAfterFlush() }
  }

  /// Whoever leaves the table lets others move in it, and the relay may have more leave: it is gone through until nobody
  /// is left.
  private func failStreams(above id: Int32, _ failure: (UpstreamStream.Pointer) -> UpstreamFailure) {
    var hasFailed = true
    while hasFailed {
      hasFailed = false
      var index = 0
      while index < state.pointee.streams.capacity {
        if let entry = state.pointee.streams.stream(at: index), entry.pointee.id > id {
          fail(entry, failure(entry))
          hasFailed = true
        } else {
          index += 1
        }
      }
    }
  }

  /// The peer has broken the protocol.
  func endConnection(_ code: HTTP2ErrorCode) {
    end(.protocolError, code)
  }

  /// The peer has used up a budget.
  func cut(_ reason: ConnectionCut) {
    end(reason, .enhanceYourCalm)
  }

  /// Tells the peer why its connection ends, and takes no more of it.
  private func end(_ reason: ConnectionCut, _ code: HTTP2ErrorCode) {
    guard !state.pointee.isOver else { return }
    state.pointee.isOver = true
    acceptsRequests = false
    state.pointee.control.goAway(code)
    connection.closeAfterFlush(.cut(reason))
  }

  override func receive(_ bytes: UnsafeRawBufferPointer) { read(bytes) }

  override func produce(into space: UnsafeMutableRawBufferPointer) -> Int { write(into: space) }

  override func receiveEnd(inOrder: Bool) {
    connection.close(.peerClosed)
  }

  override func connectionClosed() {
    state.pointee.isOver = true
    acceptsRequests = false
    while let entry = state.pointee.heads.first { fail(entry, hasAnswered ? .staleConnection : .closed) }
    failStreams(above: 0) { hasAnswered && !$0.pointee.hasFinalHead ? .staleConnection : .closed }
  }

  // MARK: Upkeep

  /// Looks at what the peer has begun and not ended.
  override func sweep(now: Int64) {
    let began = state.pointee.hasReceivedFrame ? state.pointee.headBeganAt : openedAt
    if began != 0, now - began > limits.headerBlockMicroseconds { cut(.headTimeout) }
    if activeStreams == 0, !rests, now - idleSince > Self.restMicroseconds { rest() }
  }

  /// Gives back what is not needed while no stream is open.
  private func rest() {
    rests = true
    state.pointee.streams.rest()
    state.pointee.reader.rest()
    state.pointee.progressed.release()
    if state.pointee.control.isEmpty { state.pointee.control.bytes.release() }
  }
}
