// Frames of an upstream: wherever the bytes are cut they are the same frames, and those that a plain reader finds; a head
// that is accepted has one status and nothing in it that could be read as more.

@testable import EdgeDataPath

enum FramesTarget {
  static func run(_ input: FuzzInput) {
    let expected = PlainFrames(input.bytes)
    var first: HeadsSeen?
    input.forEachPartition { pieces in
      let seen = FramesSeen(pieces)
      expectEqual(seen.isBad, expected.isBad, "padding is bad where it does not fit")
      expectEqual(seen.frames, expected.frames, "frames are those of a plain reader")
      let heads = HeadsSeen(seen.frames)
      if let first { expectEqual(heads, first, "heads are the same however they come") }
      first = first ?? heads
    }
  }
}

private struct SeenFrame: Equatable {
  var header: HTTP2FrameHeader
  var bytes: [UInt8] = []
  var isWhole = false
}

/// Kinds that nobody wants; the session passes over them in the same way.
private func isSkipped(_ header: HTTP2FrameHeader) -> Bool {
  header.type == HTTP2FrameHeader.priority || header.type > HTTP2FrameHeader.continuation
}

private struct FramesSeen {
  var frames: [SeenFrame] = []
  var isBad = false

  init(_ pieces: [Piece]) {
    var reader = HTTP2FrameReader()
    for piece in pieces where !isBad {
      var position = 0
      reading: while true {
        switch reader.next(piece.bytes, &position) {
        case .needMore:
          expectEqual(position, piece.bytes.count, "all bytes are taken")
          break reading
        case .badPadding:
          isBad = true
          break reading
        case .began:
          frames.append(SeenFrame(header: reader.header))
          if isSkipped(reader.header) { reader.skip() }
        case .payload: take(reader.bytes, isWhole: true)
        case .data:
          take(reader.bytes, isWhole: reader.isLastPiece)
          if reader.isLastPiece {
            expectEqual(reader.bodyLength, frames[frames.count - 1].bytes.count, "a body has its length")
          }
        }
      }
    }
  }

  private mutating func take(_ bytes: UnsafeRawBufferPointer, isWhole: Bool) {
    frames[frames.count - 1].bytes += Array(bytes)
    frames[frames.count - 1].isWhole = isWhole
  }
}

/// RFC 9113, sections 4.1 and 6.1, over all bytes at once.
private struct PlainFrames {
  var frames: [SeenFrame] = []
  var isBad = false

  init(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while rest.count >= 9 {
      let head = Array(rest.prefix(9))
      let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
      let streamID = head[5...].reduce(Int32(0)) { $0 << 8 | Int32($1) } & 0x7FFF_FFFF
      let header = HTTP2FrameHeader(type: head[3], flags: head[4], length: length, streamID: streamID)
      rest = rest.dropFirst(9)
      let payload = Array(rest.prefix(length))
      rest = rest.dropFirst(length)
      var frame = SeenFrame(header: header)
      if header.type == 0 {
        guard takeBody(payload, &frame) else {
          frames.append(frame)
          isBad = true
          return
        }
      } else if !isSkipped(header), payload.count == length {
        frame.bytes = payload
        frame.isWhole = true
      }
      frames.append(frame)
    }
  }

  /// - Returns: whether the padding fits, as far as it is known
  private func takeBody(_ payload: [UInt8], _ frame: inout SeenFrame) -> Bool {
    guard frame.header.flags & 8 != 0 else {
      frame.bytes = payload
      frame.isWhole = payload.count == frame.header.length
      return true
    }
    guard frame.header.length > 0 else { return false }
    guard let padding = payload.first.map(Int.init) else { return true }
    let count = frame.header.length - 1 - padding
    guard count >= 0 else { return false }
    frame.bytes = Array(payload.dropFirst().prefix(count))
    frame.isWhole = frame.bytes.count == count
    if hasPlantedFault, padding > 2, count > 2 { frame.bytes.removeLast() }
    return true
  }
}

/// The heads in HEADERS frames, each read as one whole block.
private struct HeadsSeen: Equatable {
  var heads: [[String]] = []

  init(_ frames: [SeenFrame]) {
    guard var decoder = try? HPACKDecoder() else { return }
    for frame in frames where frame.header.type == HTTP2FrameHeader.headers && frame.isWhole {
      let block = Piece(frame.bytes[...])
      guard let head = Self.head(block.bytes, &decoder) else { return }
      heads.append(head)
    }
  }

  /// The fields that the rules let pass; nil behind a block that is none.
  private static func head(_ block: UnsafeRawBufferPointer, _ decoder: inout HPACKDecoder) -> [String]? {
    var rest = block
    var rules = AnswerHeadRules(trailers: false)
    var fields: [String] = []
    var isRefused = false
    while true {
      switch decoder.next(&rest, isLast: true) {
      case .needMore, .failed: return nil
      case .field:
        let (name, value) = (decoder.name, decoder.value)
        guard !isRefused else { break }
        switch rules.judge(HeaderName(name), name, value) {
        case .refuse: isRefused = true
        case .leaveOut: break
        case .take:
          check(name, value, isFirst: fields.isEmpty)
          fields.append(text(name) + ": " + text(value))
        }
      case .done:
        guard !isRefused, rules.allowsEnd(false) else { return [] }
        expect((100...999).contains(rules.status) && rules.status != 101, "a head has a status")
        expect(rules.bodyLength >= -1, "a length is none or a number")
        return fields
      }
    }
  }

  private static func check(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, isFirst: Bool) {
    expectEqual(name.first == UInt8(ascii: ":"), isFirst, "the status comes first and alone")
    expect(!name.contains { $0 <= 0x20 || $0 >= 0x7F || (0x41...0x5A).contains($0) }, "a name is plain")
    expect(!value.contains { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }, "a value has no controls")
    expect(!["connection", "transfer-encoding", "upgrade"].contains(text(name)), "no field is of one hop")
  }
}
