import EdgeDataPath
import Testing

struct Field: Equatable {
  var name: String
  var value: String

  init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

func head(_ fields: [Field]) -> HeaderBlock {
  let head = HeaderBlock()
  for field in fields {
    withBytes(field.name) { name in withBytes(field.value) { value in head.append(name, value) } }
  }
  return head
}

private func block(_ fields: [Field], emptiesTable: Bool = false) -> [UInt8] {
  let head = head(fields)
  let most = HPACKEncoder.mostBytes(head)
  return Array(unsafeUninitializedCapacity: most) { space, count in
    count = HPACKEncoder.write(
      head, emptiesTable: emptiesTable, to: UnsafeMutableRawPointer(space.baseAddress.unsafelyUnwrapped))
    #expect(count <= most)
  }
}

private func frames(_ fields: [Field], endsStream: Bool = false) -> [UInt8] {
  let head = head(fields)
  let most = HeadFrames.mostBytes(head)
  return Array(unsafeUninitializedCapacity: most) { space, count in
    count = HeadFrames.write(
      head, streamID: 7, endsStream: endsStream, emptiesTable: false,
      to: UnsafeMutableRawPointer(space.baseAddress.unsafelyUnwrapped))
    #expect(count <= most)
  }
}

/// The fields of a block that comes in pieces; nil where it is no good.
func decoded(_ pieces: [[UInt8]], by decoder: inout HPACKDecoder) -> [Field]? {
  var fields: [Field] = []
  for (index, piece) in pieces.enumerated() {
    let isLast = index == pieces.count - 1
    let goesOn = withBytes(piece) { bytes -> Bool in
      var rest = bytes
      while true {
        switch decoder.next(&rest, isLast: isLast) {
        case .field:
          fields.append(
            Field(
              String(decoding: decoder.name, as: UTF8.self), String(decoding: decoder.value, as: UTF8.self)))
        case .needMore: return !isLast
        case .done: return isLast
        case .failed: return false
        }
      }
    }
    guard goesOn else { return nil }
  }
  return fields
}

@Suite("HPACK blocks for upstreams")
struct HPACKEncoderTests {
  private static let request = [
    Field(":method", "POST"), Field(":scheme", "https"), Field(":authority", "api.example.com"),
    Field(":path", "/v1/chat/completions"), Field("content-type", "application/json"),
    Field("user-agent", "x/1"), Field("x-other", ""), Field("content-length", "1024"),
    Field("authorization", "Bearer secret"), Field("x-api-key", "secret"), Field("api-key", "secret"),
    Field("cookie", "a=b"),
  ]

  @Test("a decoder reads what was written, block after block")
  func roundTrip() throws {
    var decoder = try HPACKDecoder()
    for emptiesTable in [false, true, false] {
      let written = block(Self.request, emptiesTable: emptiesTable)
      #expect(decoded([written], by: &decoder) == Self.request)
    }
  }

  @Test("method and scheme take a byte each, and names of the static table one or two")
  func staticTable() {
    // 3 and 7 as whole fields; 16 = 15 + 1 and then the value's length and itself.
    #expect(block([Field(":method", "POST"), Field(":scheme", "https")]) == [0x83, 0x87])
    #expect(block([Field("accept-encoding", "br")]) == [0x0F, 0x01, 0x02] + Array("br".utf8))
    #expect(block([Field(":path", "/v1")]) == [0x04, 0x03] + Array("/v1".utf8))
  }

  @Test(
    "credentials are marked so that nobody on the way indexes them",
    arguments: ["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"])
  func credentials(name: String) throws {
    let first = try #require(block([Field(name, "secret")]).first)
    #expect(first & 0xF0 == 0x10)
  }

  @Test("nothing is ever put into the peer's table")
  func noIndexing() {
    for field in Self.request {
      // 01xxxxxx is a literal that is to be remembered.
      #expect(block([field])[0] & 0xC0 != 0x40, "\(field.name)")
    }
  }

  @Test("a table that is not used is given up in the first byte")
  func emptiedTable() throws {
    let written = block(Self.request, emptiesTable: true)
    #expect(written[0] == 0x20)
    // A decoder that has allowed no table at all insists on it.
    var strict = try HPACKDecoder()
    strict.setTableBytes(0)
    #expect(decoded([written], by: &strict) == Self.request)
    var deprived = try HPACKDecoder()
    deprived.setTableBytes(0)
    #expect(decoded([block(Self.request)], by: &deprived) == nil)
  }

  @Test(
    "lengths are written right around the ends of their bytes",
    arguments: [0, 1, 126, 127, 128, 254, 255, 256, 16_511])
  func lengths(count: Int) throws {
    var decoder = try HPACKDecoder()
    let fields = [Field("x", String(repeating: "v", count: count)), Field("y", "z")]
    #expect(decoded([block(fields)], by: &decoder) == fields)
    let named = [Field(String(repeating: "n", count: count + 1), "v")]
    #expect(decoded([block(named)], by: &decoder) == named)
  }

  @Test(
    "a head goes out in frames of the size that everybody takes",
    arguments: [100, 16_300, 16_400, 40_000, 60_000])
  func split(count: Int) throws {
    let fields = [Field(":method", "POST"), Field("x-long", String(repeating: "v", count: count))]
    let written = frames(fields, endsStream: true)
    var pieces: [[UInt8]] = []
    var position = 0
    while position < written.count {
      let header = written.withUnsafeBytes {
        HTTP2FrameHeader(at: $0.baseAddress.unsafelyUnwrapped + position)
      }
      #expect(header.type == (pieces.isEmpty ? HTTP2FrameHeader.headers : HTTP2FrameHeader.continuation))
      #expect(header.streamID == 7)
      #expect(header.length <= HTTP2FrameHeader.mostPayload)
      position += HTTP2FrameHeader.size
      pieces.append(Array(written[position..<(position + header.length)]))
      position += header.length
      let flags =
        (pieces.count == 1 ? HTTP2FrameHeader.endStream : 0)
        | (position == written.count ? HTTP2FrameHeader.endHeaders : 0)
      #expect(header.flags == flags)
    }
    // ":method" is a byte and "x-long" twelve with its lengths.
    #expect(pieces.count == (count + 13 + HTTP2FrameHeader.mostPayload - 1) / HTTP2FrameHeader.mostPayload)
    var decoder = try HPACKDecoder()
    #expect(decoded(pieces, by: &decoder) == fields)
  }
}
