import EdgeDataPath
import Testing

struct ChunkedVerdict: Equatable, CustomStringConvertible {
  var end = "more"
  var payload: [UInt8] = []
  /// What was left over for the next message.
  var rest: [UInt8] = []

  var description: String { "\(end) «\(String(decoding: payload, as: UTF8.self))» \(rest.count) left" }
}

func decodeChunked(_ parts: [[UInt8]]) -> ChunkedVerdict {
  var decoder = HTTP1ChunkedDecoder()
  var verdict = ChunkedVerdict()
  for part in parts {
    if verdict.end == "end" {
      verdict.rest += part
      continue
    }
    withBytes(part) { bytes in
      var position = 0
      while true {
        switch decoder.decode(bytes, from: &position) {
        case .needMore: return
        case .payload(let range): verdict.payload += bytes[range]
        case .end:
          verdict.end = "end"
          verdict.rest += bytes[position...]
          return
        case .invalid(let fault):
          verdict.end = fault.reason.description
          return
        }
      }
    }
  }
  return verdict
}

func decodeChunked(_ body: String) -> ChunkedVerdict {
  let bytes = Array(body.utf8)
  let whole = decodeChunked([bytes])
  for cut in 0...bytes.count {
    #expect(decodeChunked(pieces(of: bytes, cutAt: [cut])) == whole, "cut at \(cut)")
  }
  #expect(decodeChunked(bytes.map { [$0] }) == whole, "byte by byte")
  return whole
}

@Suite("HTTP/1.1 chunked decoder")
struct HTTP1ChunkedDecoderTests {
  @Test("payload comes out, extensions and trailers stay behind, and the next message is not touched")
  func decodes() {
    let verdict = decodeChunked(
      "5\r\nhello\r\n1;a=b;c=\"d\"\r\n \r\n006\r\nworld!\r\n0\r\nTrailer: x\r\nT:\r\n\r\nGET ")
    #expect(verdict.end == "end")
    #expect(String(decoding: verdict.payload, as: UTF8.self) == "hello world!")
    #expect(verdict.rest == Array("GET ".utf8))
    #expect(decodeChunked("0\r\n\r\n").end == "end")
    #expect(decodeChunked("A\r\n0123456789\r\na\r\n0123456789\r\n0;x\r\n\r\n").payload.count == 20)
  }

  @Test(
    "a body that is not whole waits for more",
    arguments: ["", "5", "5\r\nhel", "5\r\nhello\r\n0\r\n", "0\r\n\r"])
  func incomplete(body: String) {
    #expect(decodeChunked(body).end == "more")
  }

  @Test(
    "a body that is not chunked strictly is refused",
    arguments: [
      "\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", " 1\r\n", "1 \r\n", "1\n", "1\rx", "1;a\nb", "1;\r\n",
      "1;=\r\n", "1;a=\r\n", "1;a=\"b\r\n", "1;;\r\n",
      "1;\u{0}\r\n",
      "5\r\nhelloX", "5\r\nhello\n", "5\r\nhello\rX", "5\r\nhell\r\n0\r\n\r\n", "1000000000000000\r\n", "0\n",
      "0\r\n\n",
      "0\r\n x: y\r\n", "0\r\nx y: z\r\n", "0\r\nno colon\r\n", "0\r\n: x\r\n", "0\r\nx: a\nb",
      "0\r\nx: \u{0}\r\n", ";\r\n",
    ])
  func refused(body: String) {
    let verdict = decodeChunked(body)
    #expect(verdict.end != "end" && verdict.end != "more", "\(verdict)")
  }

  @Test("extensions and trailers have limits")
  func limits() {
    let chunk = "1;" + String(repeating: "x", count: 254) + "\r\na\r\n"
    #expect(decodeChunked([Array(String(repeating: chunk, count: 16).utf8)]).payload.count == 16)
    #expect(
      decodeChunked([Array(String(repeating: chunk, count: 17).utf8)]).end
        == "more chunk extensions than the limit")
    let trailer = "x: " + String(repeating: "y", count: 1000) + "\r\n"
    let body = "0\r\n" + String(repeating: trailer, count: 9)
    #expect(decodeChunked([Array(body.utf8)]).end == "more trailers than the limit")
  }
}
