// A client's HTTP/1.1 connection: one request at a time, in order; pipelined ones wait in the input.

import StraitProtocol

package struct HTTP1Limits: Sendable {
  package var headTimeoutMicroseconds: Int64 = 10_000_000
  package var headerFields = HTTP1Head.fieldLimit
  /// Of a whole head; no more than `HTTP1Head.mostBytes`.
  package var headBytes = HTTP1Head.byteLimit
  /// Of one body's extensions.
  package var chunkExtensionBytes = HTTP1ChunkedDecoder.extensionLimit
  package var trailerBytes = HTTP1ChunkedDecoder.trailerLimit
  /// Bytes of later requests that wait while one is answered.
  package var pipelinedBytes = 64 * 1024
  /// Bytes of a refused request that are read and thrown away so that the client gets to read its answer.
  package var refusedBodyBytes = 4 * 1024 * 1024
  /// How long the rest of such a request may take.
  package var refusedBodyMicroseconds: Int64 = 30_000_000

  package init() {}
}

final class HTTP1ServerSession: Session, ClientSide {
  private enum Phase {
    /// Can transition to: body, answering, closing.
    case head
    /// Can transition to: answering, head, closing.
    case body
    /// The request is whole; its answer is on the way. Can transition to: head, closing.
    case answering
    /// Nothing is read any more.
    case closing
  }

  /// Bytes of a body that the relay has not passed on before reading stops.
  private static let bodyWindow = 64 * 1024

  let connectionMemory: ConnectionMemory
  var clientProtocol: ClientProtocolVersion { .http1 }
  var openStreams: Int { stream == nil ? 0 : 1 }

  private let connection: Connection
  private let limits: HTTP1Limits
  private let receiver: any RequestReceiver
  private let idleTimeoutMicroseconds: Int64
  private var phase = Phase.head
  private let input = ByteQueue()
  private let incoming: UnsafeMutablePointer<HTTP1Incoming>
  private var stream: RelayedStream?
  private var keepsAlive = true
  private var isHead = false
  private var isHTTP10 = false
  private var isDraining = false
  private var closesAfterAnswer = false
  private let trailers = ByteQueue()
  /// Bytes of the body that the relay has not passed on.
  private var uncredited = 0
  private var discarded = 0
  /// When an answer ended before its request.
  private var answeredAt: Int64 = 0
  private var headBeganAt: Int64
  private var idleSince: Int64
  /// Behind a pointer, as `incoming`.
  private let writer = placeInPool(HTTP1AnswerWriter())

  init(
    connection: Connection, limits: HTTP1Limits, idleTimeoutMicroseconds: Int64, memory: ConnectionMemory,
    receiver: any RequestReceiver
  ) {
    self.connection = connection
    self.limits = limits
    incoming = placeInPool(HTTP1Incoming(.request, limits))
    self.idleTimeoutMicroseconds = idleTimeoutMicroseconds
    self.receiver = receiver
    connectionMemory = memory
    idleSince = connection.loop.now
    headBeganAt = connection.loop.now
  }

  deinit {
    takeOutOfPool(incoming)
    takeOutOfPool(writer)
  }

  /// Ends the connection after the answer under way.
  func drain() {
    isDraining = true
    if isIdle { close() }
  }

  /// No request is under way.
  override var isIdle: Bool { stream == nil && phase == .head && input.isEmpty }

  /// Ends the connection after the next answer: closing it while the client may be sending would cost a request.
  func closeAfterNextAnswer() {
    isDraining = true
  }

  // MARK: Session

  override func receive(_ bytes: UnsafeRawBufferPointer) {
    guard phase != .closing else { return }
    if phase == .head, input.isEmpty { headBeganAt = connection.loop.now }
    input.append(bytes)
    process()
    if phase == .answering, input.count > limits.pipelinedBytes { connection.pauseReading() }
  }

  override func receiveEnd(inOrder: Bool) {
    // A client that has said all it has to say may still want its answer. One whose connection just ends is gone.
    guard inOrder, stream != nil, phase == .answering, input.isEmpty else {
      return connection.close(.peerClosed)
    }
    keepsAlive = false
  }

  override func connectionClosed() {
    phase = .closing
    finishStream()
  }

  override func sweep(now: Int64) {
    if phase == .body, stream == nil, now - answeredAt > limits.refusedBodyMicroseconds {
      return cutRefusedBody()
    }
    guard phase == .head, stream == nil else { return }
    if input.isEmpty {
      guard now - idleSince > idleTimeoutMicroseconds else { return }
      receiver.connectionCut(connection, reason: .idle)
      close()
    } else if now - headBeganAt > limits.headTimeoutMicroseconds {
      receiver.connectionCut(connection, reason: .headTimeout)
      refuse(status: 408)
    }
  }

  private func close() {
    phase = .closing
    connection.closeAfterFlush()
  }

  // MARK: Requests

  private func process() {
    while !input.isEmpty {
      switch phase {
      case .head: guard readHead() else { return }
      case .body: guard readBody() else { return }
      case .answering, .closing: return
      }
    }
  }

  /// - Returns: whether there may be more to do
  private func readHead() -> Bool {
    switch incoming.pointee.readHead(input.readable) {
    case .needMore: return false
    case .invalid(let fault):
      refuse(status: fault.status)
      return false
    case .head(let length):
      beginRequest(length)
      return true
    }
  }

  private func beginRequest(_ length: Int) {
    guard let stream = receiver.makeStream(on: self) else {
      refuse(status: 503)
      return
    }
    self.stream = stream
    stream.client = self
    stream.requestHeadDone = true
    let bytes = input.readable
    isHead = UnsafeRawBufferPointer(rebasing: bytes[incoming.pointee.head.method]).equals("HEAD")
    isHTTP10 = incoming.pointee.head.minorVersion == 0
    keepsAlive = incoming.pointee.head.keepAlive
    let expectsContinue = incoming.pointee.head.expectsContinue
    incoming.pointee.head.copyRequest(bytes, into: stream.request)
    incoming.pointee.beginBody(limits)
    trailers.release()
    uncredited = 0
    input.consume(length)
    let ends = incoming.pointee.framing.isDone
    phase = ends ? .answering : .body
    stream.requestHeadReceived(endsRequest: ends)
    guard expectsContinue, !ends else { return }
    if writer.pointee.isIdle {
      writer.pointee.appendContinue()
      connection.needsFlush()
    } else {
      // Refused by its head alone: the client may keep its body, and where the next request begins is not known.
      closesAfterAnswer = true
    }
  }

  private func readBody() -> Bool {
    let bytes = input.readable
    var position = 0
    while position < bytes.count, !incoming.pointee.framing.isDone {
      switch incoming.pointee.readBody(bytes, &position, trailers: trailers) {
      case .payload(let range):
        if let stream {
          uncredited += range.count
          stream.requestBodyReceived(UnsafeRawBufferPointer(rebasing: bytes[range]))
        } else {
          discarded += range.count
        }
      case .needMore, .end: break
      case .invalid:
        input.consume(position)
        breakOffRequest()
        return false
      }
    }
    input.consume(position)
    stream?.requestBodyProgressed()
    // The relay may have ended the connection for what came.
    guard phase != .closing else { return false }
    guard incoming.pointee.framing.isDone else {
      if discarded > limits.refusedBodyBytes { cutRefusedBody() }
      if stream != nil, uncredited > Self.bodyWindow { connection.pauseReading() }
      return false
    }
    if let stream {
      phase = .answering
      takeTrailers(stream)
      stream.requestEndReceived()
    } else {
      requestDiscarded()
    }
    return true
  }

  private func takeTrailers(_ stream: RelayedStream) {
    guard !trailers.isEmpty else { return }
    HTTP1Head.copyTrailers(trailers.readable, into: stream.requestTrailers)
    trailers.release()
  }

  /// The body's framing is broken, so nothing after it can be trusted.
  private func breakOffRequest() {
    keepsAlive = false
    stream?.requestBroken()
    guard stream != nil, writer.pointee.isIdle else {
      receiver.connectionCut(connection, reason: .protocolError)
      finishStream()
      return close()
    }
    refuse(status: 400)
  }

  /// The client has had its answer, and sends on what nobody wants.
  private func cutRefusedBody() {
    receiver.connectionCut(connection, reason: .refusedBody)
    close()
  }

  private func requestDiscarded() {
    if keepsAlive && !isDraining { beginIdle() } else { close() }
  }

  private func beginIdle() {
    guard phase != .closing else { return }
    phase = .head
    discarded = 0
    idleSince = connection.loop.now
    headBeganAt = connection.loop.now
    // Requests that wait are answered before more are read.
    if input.count <= limits.pipelinedBytes { connection.resumeReading() }
  }

  /// An answer to what is not a request that the relay could know.
  private func refuse(status: Int) {
    receiver.requestRefused(connection, status: status)
    finishStream()
    phase = .closing
    writer.pointee.appendRefusal(status: status)
    connection.closeAfterFlush()
  }

  // MARK: ClientSide

  func sendInformation(_ stream: RelayedStream, _ head: borrowing HeaderBlock) {
    // RFC 9110, section 15.2: not to an HTTP/1.0 client.
    if isHTTP10 { return }
    writer.pointee.appendInformation(head)
    connection.needsFlush()
  }

  func sendHead(_ stream: RelayedStream, ends: Bool) {
    if isDraining { keepsAlive = false }
    var goesOn = keepsAlive
    writer.pointee.appendHead(
      stream.answer, ends: ends, isHead: isHead, isHTTP10: isHTTP10, keepsAlive: &goesOn)
    keepsAlive = goesOn
    if ends { stream.answerFinishing() }
    connection.needsFlush()
  }

  func releaseSentHead(_ stream: RelayedStream) {
    stream.answer.release()
  }

  func wake(_ stream: RelayedStream) {
    connection.needsFlush()
  }

  func abort(_ stream: RelayedStream) {
    connection.close()
  }

  /// It sees by itself how long the rest of a request takes.
  func endRequest(_ stream: RelayedStream) {}

  func abortSlowReader(_ stream: RelayedStream) {
    connection.close(.cut(.slowReader))
  }

  func credit(_ stream: RelayedStream, _ count: Int) {
    uncredited -= count
    if phase == .body, uncredited < Self.bodyWindow / 2 { connection.resumeReading() }
  }

  override func produce(into space: UnsafeMutableRawBufferPointer) -> Int {
    let count = writer.pointee.produce(stream, into: space)
    if writer.pointee.isAnswerDone, stream != nil { answerDone() }
    return count
  }

  private func answerDone() {
    writer.pointee.reset()
    finishStream()
    guard phase != .closing else { return }
    if phase == .body, !closesAfterAnswer {
      // The rest of the request is still to come.
      answeredAt = connection.loop.now
      connection.resumeReading()
      if discarded > limits.refusedBodyBytes { cutRefusedBody() }
      return
    }
    guard keepsAlive, !isDraining, !closesAfterAnswer else {
      close()
      return
    }
    beginIdle()
    process()
  }

  private func finishStream() {
    guard let stream else { return }
    self.stream = nil
    stream.client = nil
    stream.clientClosed()
  }
}

extension HTTP1Fault {
  fileprivate var status: Int {
    switch kind {
    case .malformed: 400
    case .tooLarge: 431
    case .version: 505
    }
  }
}
