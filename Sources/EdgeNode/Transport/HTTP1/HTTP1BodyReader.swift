// A message's body by the framing that its head announced.

enum HTTP1BodyReader {
  enum Step {
    case payload(Range<Int>)
    case needMore
    case end
    case invalid
  }

  case done
  case length(Int)
  case chunked(HTTP1ChunkedDecoder)
  case untilClose

  init(_ framing: HTTP1Framing, _ limits: borrowing HTTP1Limits) {
    switch framing {
    case .none: self = .done
    case .length(let count): self = count == 0 ? .done : .length(count)
    case .chunked:
      self = .chunked(
        HTTP1ChunkedDecoder(extensionLimit: limits.chunkExtensionBytes, trailerLimit: limits.trailerBytes))
    case .untilClose: self = .untilClose
    }
  }

  var isDone: Bool {
    if case .done = self { true } else { false }
  }

  private var isChunked: Bool {
    if case .chunked = self { true } else { false }
  }

  /// The last chunk has come, and trailers may.
  private var isBehindChunks: Bool {
    if case .chunked(let decoder) = self { decoder.isInTrailers } else { false }
  }

  /// A chunk's line end, the last chunk's size line and the last line: no trailers between them.
  private static let bareEndBytes = 7

  var endsWithConnection: Bool {
    if case .untilClose = self { true } else { false }
  }

  /// Reads on from `position`, which moves past what was read.
  /// - Parameter trailers: gets the lines of the trailer section as they come, for `HTTP1Head.copyTrailers`
  mutating func next(
    _ bytes: UnsafeRawBufferPointer, _ position: inout Int, trailers: borrowing ByteQueue
  ) -> Step {
    guard isChunked else { return next(bytes, &position) }
    let start = position
    let step = next(bytes, &position)
    if isDone ? position - start > Self.bareEndBytes : isBehindChunks {
      trailers.append(UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
    }
    return step
  }

  private mutating func next(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> Step {
    let start = position
    switch self {
    case .done: return .end
    case .length(let remaining):
      let count = min(remaining, bytes.count - position)
      guard count > 0 else { return .needMore }
      position += count
      self = count == remaining ? .done : .length(remaining - count)
      return .payload(start..<position)
    case .untilClose:
      position = bytes.count
      return start < position ? .payload(start..<position) : .needMore
    case .chunked(var decoder):
      let step = decoder.decode(bytes, from: &position)
      self = decoder.isComplete ? .done : .chunked(decoder)
      switch step {
      case .needMore: return .needMore
      case .payload(let range): return .payload(range)
      case .end: return .end
      case .invalid: return .invalid
      }
    }
  }
}
