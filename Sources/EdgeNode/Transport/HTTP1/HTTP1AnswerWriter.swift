// Puts an answer into HTTP/1.1: the head, then the body in the framing that the head announces.

struct HTTP1AnswerWriter: ~Copyable {
  private enum Body {
    case none, length, chunked, untilClose
  }

  private let output = ByteQueue()
  private var body = Body.none
  private var headIsWritten = false
  private(set) var isAnswerDone = false

  var isIdle: Bool { !headIsWritten && output.isEmpty }

  mutating func appendContinue() {
    output.append("HTTP/1.1 100 Continue\r\n\r\n")
  }

  /// An answer without a relay: there was no request that one could know.
  mutating func appendRefusal(status: Int) {
    output.append("HTTP/1.1 ")
    withDecimal(status) { output.append($0) }
    output.append(" ")
    output.append(reasonPhrase(status))
    let message: StaticString =
      switch status {
      case 408: "the request's head did not come in time"
      case 431: "the request's head is too large"
      case 503: "the edge takes no more requests now, try again later"
      case 505: "the edge speaks HTTP/1.0, HTTP/1.1 and HTTP/2"
      default: "the request is not valid HTTP/1.1"
      }
    output.append("\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ")
    let before: StaticString = "{\"error\":{\"message\":\""
    let after: StaticString = "\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}"
    withDecimal(before.utf8CodeUnitCount + message.utf8CodeUnitCount + after.utf8CodeUnitCount) {
      output.append($0)
    }
    output.append("\r\n\r\n")
    output.append(before)
    output.append(message)
    output.append(after)
  }

  /// - Parameter keepsAlive: set to false where only the connection's end can end the body
  mutating func appendHead(
    _ head: borrowing HeaderBlock, ends: Bool, isHead: Bool, isHTTP10: Bool, keepsAlive: inout Bool
  ) {
    headIsWritten = true
    let status = head.value(.status)?.decimal ?? 500
    let hasLength = head.index(of: .contentLength) != nil
    let hasNoBody = ends || isHead || status == 204 || status == 304
    if hasNoBody {
      body = .none
    } else if hasLength {
      body = .length
    } else {
      body = isHTTP10 ? .untilClose : .chunked
      if isHTTP10 { keepsAlive = false }
    }
    output.append("HTTP/1.1 ")
    withDecimal(status) { output.append($0) }
    output.append(" ")
    output.append(reasonPhrase(status))
    output.append("\r\n")
    head.writeLines(to: output)
    if body == .chunked { output.append("transfer-encoding: chunked\r\n") }
    if ends, !hasLength, !isHead, status != 204, status != 304 { output.append("content-length: 0\r\n") }
    if !keepsAlive {
      output.append("connection: close\r\n")
    } else if isHTTP10 {
      output.append("connection: keep-alive\r\n")
    }
    output.append("\r\n")
    if ends { isAnswerDone = true }
  }

  mutating func appendInformation(_ head: borrowing HeaderBlock) {
    let status = head.value(.status)?.decimal ?? 100
    output.append("HTTP/1.1 ")
    withDecimal(status) { output.append($0) }
    output.append(" ")
    output.append(reasonPhrase(status))
    output.append("\r\n")
    head.writeLines(to: output)
    output.append("\r\n")
  }

  /// Fills `space` with what is ready of the head and of the stream's body.
  mutating func produce(_ stream: RelayedStream?, into space: UnsafeMutableRawBufferPointer) -> Int {
    guard let base = space.baseAddress else { return 0 }
    var used = min(output.count, space.count)
    if used > 0, let bytes = output.readable.baseAddress {
      base.copyMemory(from: bytes, byteCount: used)
      output.consume(used)
    }
    guard let stream, headIsWritten, !isAnswerDone || body == .none, output.isEmpty else { return used }
    if body == .none {
      finishBodiless(stream)
      return used
    }
    let room = space.count - used - HTTP1Chunk.overhead
    let count = min(stream.answerBody.count, room)
    let isLast = stream.answerEnded && count == stream.answerBody.count
    guard count > 0 || isLast else { return used }
    if isLast { stream.answerFinishing() }
    if body == .chunked, count > 0 { used += HTTP1Chunk.writeSize(count, base + used) }
    if count > 0, let bytes = stream.answerBody.readable.baseAddress {
      (base + used).copyMemory(from: bytes, byteCount: count)
      used += count
      stream.answerBody.consume(count)
    }
    if body == .chunked {
      if count > 0 { used += HTTP1Chunk.writeLineEnd(base + used) }
      if isLast {
        used += HTTP1Chunk.writeEnd(base + used, trailers: stream.answerTrailers, output: output)
      }
    }
    if isLast { isAnswerDone = true }
    if count > 0 { stream.answerTaken(count) }
    return used
  }

  /// A body that came although none may go out (an answer to HEAD, 204, 304) is thrown away.
  private mutating func finishBodiless(_ stream: RelayedStream) {
    let count = stream.answerBody.count
    if count > 0 {
      stream.answerBody.consume(count)
      stream.answerTaken(count)
    }
    guard stream.answerEnded || isAnswerDone else { return }
    stream.answerFinishing()
    isAnswerDone = true
  }

  mutating func reset() {
    headIsWritten = false
    isAnswerDone = false
    body = .none
  }
}

/// The reason phrase of a status; clients are told to ignore it (RFC 9112, section 4).
func reasonPhrase(_ status: Int) -> StaticString {
  switch status {
  case 100: "Continue"
  case 102: "Processing"
  case 103: "Early Hints"
  case 200: "OK"
  case 201: "Created"
  case 204: "No Content"
  case 400: "Bad Request"
  case 401: "Unauthorized"
  case 402: "Payment Required"
  case 403: "Forbidden"
  case 404: "Not Found"
  case 405: "Method Not Allowed"
  case 408: "Request Timeout"
  case 413: "Content Too Large"
  case 415: "Unsupported Media Type"
  case 422: "Unprocessable Content"
  case 429: "Too Many Requests"
  case 431: "Request Header Fields Too Large"
  case 500: "Internal Server Error"
  case 502: "Bad Gateway"
  case 503: "Service Unavailable"
  case 504: "Gateway Timeout"
  case 505: "HTTP Version Not Supported"
  case 529: "Overloaded"
  default: "Status"
  }
}
