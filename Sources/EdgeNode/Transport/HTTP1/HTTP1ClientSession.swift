// A connection to an upstream that speaks HTTP/1.1: one exchange at a time.

import StraitProtocol

final class HTTP1ClientSession: Session, UpstreamSide {
  /// Bytes of an answer that the relay has not passed on before reading stops.
  private static let answerWindow = 64 * 1024

  let connection: Connection
  private(set) var idleSince: Int64

  private let becameIdle: (HTTP1ClientSession) -> Void
  private var stream: RelayedStream?
  private let output = ByteQueue()
  private let input = ByteQueue()
  private let trailers = ByteQueue()
  private let limits: HTTP1Limits
  private let incoming: UnsafeMutablePointer<HTTP1Incoming>
  private var keepsAlive = true
  private var answersServed = 0
  private var bytesOfAnswer = 0
  private var uncredited = 0
  private var isRetired = false
  /// A part of the request has been taken for sending: what comes can be its answer.
  private var hasBegun = false
  private var requestBody = RequestBody.length

  /// How the request's body goes out.
  private enum RequestBody {
    case length, chunked
    /// The last chunk is in `output`.
    case lastChunkWritten
  }

  /// - Parameter becameIdle: the connection can take another exchange
  init(
    connection: Connection, limits: HTTP1Limits, becameIdle: @escaping (HTTP1ClientSession) -> Void
  ) {
    self.connection = connection
    self.limits = limits
    incoming = placeInPool(HTTP1Incoming(.answer, limits))
    self.becameIdle = becameIdle
    idleSince = connection.loop.now
  }

  deinit {
    takeOutOfPool(incoming)
  }

  var isReusable: Bool { stream == nil && !connection.isClosed && keepsAlive && !isRetired }

  /// Sends the stream's `forwarded` head and its body.
  func start(_ stream: RelayedStream) {
    self.stream = stream
    stream.upstream = self
    stream.beginAnswer()
    bytesOfAnswer = 0
    uncredited = 0
    hasBegun = false
    requestBody = stream.forwarded.index(of: .contentLength) == nil ? .chunked : .length
    writeHead(stream.forwarded)
    connection.needsFlush()
    stream.upstreamStarted(on: self)
  }

  func retire() {
    isRetired = true
    if stream == nil { connection.close() }
  }

  private func writeHead(_ head: borrowing HeaderBlock) {
    if let method = head.value(.method), let path = head.value(.path), let authority = head.value(.authority)
    {
      output.append(method)
      output.append(" ")
      output.append(path)
      output.append(" HTTP/1.1\r\nhost: ")
      output.append(authority)
      output.append("\r\n")
    }
    head.writeLines(to: output)
    if requestBody == .chunked { output.append("transfer-encoding: chunked\r\n") }
    output.append("\r\n")
  }

  override func produce(into space: UnsafeMutableRawBufferPointer) -> Int {
    guard let base = space.baseAddress else { return 0 }
    hasBegun = true
    var used = min(output.count, space.count)
    if used > 0, let bytes = output.readable.baseAddress {
      base.copyMemory(from: bytes, byteCount: used)
      output.consume(used)
    }
    guard let stream else { return used }
    let rest = UnsafeMutableRawBufferPointer(start: base + used, count: space.count - used)
    used += requestBody == .length ? Self.copyBody(stream, into: rest) : writeChunks(stream, into: rest)
    return used
  }

  private static func copyBody(_ stream: RelayedStream, into space: UnsafeMutableRawBufferPointer) -> Int {
    let unsent = stream.unsent
    let count = min(unsent.count, space.count)
    guard count > 0 else { return 0 }
    space.copyMemory(from: UnsafeRawBufferPointer(rebasing: unsent[..<count]))
    stream.sent(count)
    return count
  }

  private func writeChunks(_ stream: RelayedStream, into space: UnsafeMutableRawBufferPointer) -> Int {
    guard requestBody == .chunked, output.isEmpty, let base = space.baseAddress else { return 0 }
    let count = min(stream.unsentCount, space.count - HTTP1Chunk.overhead)
    var used = 0
    if count > 0 {
      used += HTTP1Chunk.writeSize(count, base)
      used += Self.copyBody(
        stream, into: UnsafeMutableRawBufferPointer(start: base + used, count: count))
      used += HTTP1Chunk.writeLineEnd(base + used)
    }
    if stream.requestIsSent {
      requestBody = .lastChunkWritten
      used += HTTP1Chunk.writeEnd(base + used, trailers: stream.requestTrailers, output: output)
    }
    return used
  }

  // MARK: Answers

  override func receive(_ bytes: UnsafeRawBufferPointer) {
    guard stream != nil else {
      // An upstream that speaks unasked cannot be trusted with the next request.
      connection.close(.failed)
      return
    }
    guard hasBegun else {
      // It was sent before the request: what an answer left behind, or a forged one for whoever comes next.
      return fail(answersServed > 0 ? .staleConnection : .malformed)
    }
    bytesOfAnswer += bytes.count
    guard let stream, stream.upstreamHeadDone else {
      input.append(bytes)
      readHead()
      return
    }
    readBody(bytes)
  }

  private func readHead() {
    while let stream {
      switch incoming.pointee.readHead(input.readable) {
      case .needMore: return
      case .invalid: return fail(.malformed)
      case .head(let length):
        let status = incoming.pointee.head.status
        if status == 101 { return fail(.malformed) }
        incoming.pointee.head.copyAnswer(input.readable, into: stream.upstreamHead)
        input.consume(length)
        if status >= 100, status < 200 {
          incoming.pointee.passHead()
          guard stream.takeInformation(status: status) else { return fail(.malformed) }
          continue
        }
        keepsAlive = incoming.pointee.head.keepAlive
        incoming.pointee.beginBody(limits)
        stream.upstreamHeadDone = true
        let ends = incoming.pointee.framing.isDone
        stream.upstreamHeadReceived(status: status, endsAnswer: ends)
        if ends { return end() }
        return readRest()
      }
    }
  }

  /// What came behind the head in the same bytes.
  private func readRest() {
    guard !input.isEmpty, stream != nil else { return }
    let rest = ByteQueue()
    rest.exchange(with: input)
    readBody(rest.readable)
  }

  private func readBody(_ bytes: UnsafeRawBufferPointer) {
    var position = 0
    while position < bytes.count, !incoming.pointee.framing.isDone, let stream {
      switch incoming.pointee.readBody(bytes, &position, trailers: trailers) {
      case .payload(let range):
        uncredited += range.count
        stream.upstreamBodyReceived(UnsafeRawBufferPointer(rebasing: bytes[range]))
      case .needMore, .end: break
      case .invalid:
        stream.upstreamBodyProgressed()
        return fail(.malformed)
      }
    }
    stream?.upstreamBodyProgressed()
    guard stream != nil else { return }
    if incoming.pointee.framing.isDone {
      // Bytes beyond the answer belong to nothing that was asked.
      if position < bytes.count { keepsAlive = false }
      end()
    } else if uncredited > Self.answerWindow {
      connection.pauseReading()
    }
  }

  private func end() {
    guard let stream else { return }
    if !trailers.isEmpty { takeTrailers(stream) }
    let requestIsSent = output.isEmpty && stream.requestIsSent && requestBody != .chunked
    // Bytes behind an answer without a body, which would be read as the next one's.
    if !input.isEmpty {
      keepsAlive = false
      input.release()
    }
    self.stream = nil
    stream.upstreamEnded = true
    stream.upstream = nil
    answersServed += 1
    idleSince = connection.loop.now
    connection.resumeReading()
    stream.upstreamEndReceived()
    stream.upstreamClosed()
    if keepsAlive, requestIsSent, !isRetired, !connection.isClosed {
      becameIdle(self)
    } else {
      connection.close()
    }
  }

  /// The queue may begin with what is left of the last chunk's lines: what is no field is passed over.
  private func takeTrailers(_ stream: RelayedStream) {
    HTTP1Head.copyTrailers(trailers.readable, into: stream.upstreamHead)
    trailers.release()
    if stream.upstreamHead.count > 0 { stream.upstreamTrailersReceived() }
  }

  private func fail(_ failure: UpstreamFailure) {
    guard let stream else { return }
    self.stream = nil
    stream.upstream = nil
    connection.close(.failed)
    stream.upstreamFailed(failure)
  }

  override func receiveEnd(inOrder: Bool) {
    // Over TLS an end without a word of it may be an attacker's, or a crash.
    if inOrder, let stream, stream.upstreamHeadDone, incoming.pointee.framing.endsWithConnection {
      stream.endedWithConnection = true
      keepsAlive = false
      end()
      return
    }
    connection.close(.peerClosed)
  }

  override func connectionClosed() {
    guard let stream else { return }
    self.stream = nil
    stream.upstream = nil
    let isStale = answersServed > 0 && bytesOfAnswer == 0
    stream.upstreamFailed(isStale ? .staleConnection : .closed)
  }

  // MARK: UpstreamSide

  func wake(_ stream: RelayedStream) {
    connection.needsFlush()
  }

  func credit(_ stream: RelayedStream, _ count: Int) {
    uncredited -= count
    if uncredited < Self.answerWindow / 2 { connection.resumeReading() }
  }

  func cancel(_ stream: RelayedStream) {
    guard self.stream === stream else { return }
    self.stream = nil
    stream.upstream = nil
    connection.close()
  }
}
