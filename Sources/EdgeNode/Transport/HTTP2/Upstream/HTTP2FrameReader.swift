// Frames from bytes that come cut anywhere. A DATA frame's bytes are passed on as they come; every other payload is waited
// for, in place where it lies whole in what was received.

package struct HTTP2FrameReader: ~Copyable {
  package enum Step {
    case needMore
    /// A frame's `header` is there; its payload follows.
    case began
    /// `bytes` is the payload of a frame that is not DATA. It is valid until the next step.
    case payload
    /// `bytes` is a piece of a DATA frame's body, the last one where `isLastPiece` says so.
    case data
    /// A DATA frame has less room than its padding takes.
    case badPadding
  }

  private enum Phase {
    case header, paddingLength, body, payload
    /// Padding, or a frame that nobody wants.
    case skipping
  }

  package private(set) var header = HTTP2FrameHeader(type: 0, flags: 0, length: 0, streamID: 0)
  package private(set) var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  package private(set) var isLastPiece = false

  private var phase = Phase.header
  /// Bytes of the frame that have not come.
  private var left = 0
  private var padding = 0
  /// A header or a payload that has come in part. No more than `header.length` of it, which the caller has judged.
  private let gathered = ByteQueue()
  private var isGatheredRead = false

  package init() {}

  /// A DATA frame's bytes but its padding.
  package var bodyLength: Int {
    header.flags & HTTP2FrameHeader.padded == 0 ? header.length : header.length - 1 - padding
  }

  /// Follows `began`: the frame's payload is passed over.
  package mutating func skip() { phase = .skipping }

  /// Gives memory back.
  mutating func rest() {
    if gathered.isEmpty { gathered.release() }
  }

  package mutating func next(_ input: UnsafeRawBufferPointer, _ position: inout Int) -> Step {
    if isGatheredRead {
      gathered.consume(gathered.count)
      isGatheredRead = false
    }
    if phase == .skipping {
      let count = min(left, input.count &- position)
      position &+= count
      left &-= count
      if left > 0 { return .needMore }
      phase = .header
    }
    switch phase {
    case .header, .skipping: return readHeader(input, &position)
    case .payload: return readPayload(input, &position)
    case .body: return readBody(input, &position)
    case .paddingLength: return readPaddingLength(input, &position)
    }
  }

  @inline(__always)
  private mutating func readHeader(_ input: UnsafeRawBufferPointer, _ position: inout Int) -> Step {
    if gathered.isEmpty, input.count &- position >= HTTP2FrameHeader.size {
      header = HTTP2FrameHeader(at: input.baseAddress.unsafelyUnwrapped + position)
      position &+= HTTP2FrameHeader.size
    } else {
      guard gather(HTTP2FrameHeader.size, input, &position) else { return .needMore }
      header = HTTP2FrameHeader(at: gathered.readable.baseAddress.unsafelyUnwrapped)
      gathered.consume(HTTP2FrameHeader.size)
    }
    left = header.length
    padding = 0
    if header.type != HTTP2FrameHeader.data {
      phase = .payload
    } else {
      phase = header.flags & HTTP2FrameHeader.padded == 0 ? .body : .paddingLength
    }
    return .began
  }

  @inline(__always)
  private mutating func readPayload(_ input: UnsafeRawBufferPointer, _ position: inout Int) -> Step {
    if gathered.isEmpty, input.count &- position >= left {
      bytes = UnsafeRawBufferPointer(rebasing: input[position..<(position &+ left)])
      position &+= left
    } else {
      guard gather(left, input, &position) else { return .needMore }
      bytes = gathered.readable
      isGatheredRead = true
    }
    phase = .header
    return .payload
  }

  @inline(__always)
  private mutating func readBody(_ input: UnsafeRawBufferPointer, _ position: inout Int) -> Step {
    let count = min(left &- padding, input.count &- position)
    if count == 0, left > padding { return .needMore }
    bytes = UnsafeRawBufferPointer(rebasing: input[position..<(position &+ count)])
    position &+= count
    left &-= count
    isLastPiece = left == padding
    if isLastPiece { phase = .skipping }
    return .data
  }

  private mutating func readPaddingLength(_ input: UnsafeRawBufferPointer, _ position: inout Int) -> Step {
    guard left > 0 else { return .badPadding }
    guard position < input.count else { return .needMore }
    padding = Int(input[position])
    position += 1
    left -= 1
    guard padding <= left else { return .badPadding }
    phase = .body
    return readBody(input, &position)
  }

  /// - Returns: whether so many bytes have been gathered
  private func gather(_ wanted: Int, _ input: UnsafeRawBufferPointer, _ position: inout Int) -> Bool {
    let count = min(wanted - gathered.count, input.count - position)
    gathered.append(UnsafeRawBufferPointer(rebasing: input[position..<(position + count)]))
    position += count
    return gathered.count == wanted
  }
}
