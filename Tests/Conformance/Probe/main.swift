// Reads documents from standard input and says on standard output, one line each, what the edge's parsers make of them,
// so that tests in Python can compare their verdicts with those of other parsers.
//
// Each document: one letter for its kind, four bytes of length (most significant first), the bytes.
// With the argument `measure` it measures the parsers instead.

import EdgeDataPath
import Glibc
import StraitProtocol

let arguments = CommandLine.arguments.dropFirst()
if arguments.first == "measure" {
  measureParsers()
} else {
  while let document = readDocument() { print(verdict(on: document)) }
}

struct Document {
  var kind: UInt8
  var bytes: [UInt8]
}

func readDocument() -> Document? {
  guard let head = readBytes(5) else { return nil }
  let length = head[1...].reduce(0) { $0 << 8 | Int($1) }
  guard let bytes = readBytes(length) else { return nil }
  return Document(kind: head[0], bytes: bytes)
}

/// - Returns: nil at the end of the input
func readBytes(_ count: Int) -> [UInt8]? {
  var bytes = [UInt8](repeating: 0, count: count)
  var received = 0
  while received < count {
    let result = bytes.withUnsafeMutableBytes {
      read(STDIN_FILENO, $0.baseAddress.map { $0 + received }, count - received)
    }
    guard result > 0 else { return nil }
    received += result
  }
  return bytes
}

func verdict(on document: Document) -> String {
  // A block of exactly this size: a sanitizer sees a read beyond it.
  let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: document.bytes.count, alignment: 1)
  defer { exact.deallocate() }
  exact.copyBytes(from: document.bytes)
  let bytes = UnsafeRawBufferPointer(exact)
  switch document.kind {
  case UInt8(ascii: "r"): return messageVerdict(bytes, .request)
  case UInt8(ascii: "a"): return messageVerdict(bytes, .answer)
  case UInt8(ascii: "j"): return jsonVerdict(bytes)
  case UInt8(ascii: "s"): return streamVerdict(bytes)
  default: return "unknown kind"
  }
}

// MARK: HTTP/1.1

/// `whole METHOD TARGET STATUS KEEP-ALIVE BODY`, `more`, or `refused REASON`; bytes in hexadecimal.
func messageVerdict(_ bytes: UnsafeRawBufferPointer, _ kind: HTTP1MessageKind) -> String {
  var parser = HTTP1HeadParser(kind: kind)
  var head = HTTP1Head()
  switch parser.parse(bytes, into: &head) {
  case .needMore: return "more"
  case .invalid(let fault): return "refused \(fault.reason)"
  case .head(let length):
    let body = UnsafeRawBufferPointer(rebasing: bytes[length...])
    let what = "\(hex(bytes[head.method])) \(hex(bytes[head.target])) \(head.status) \(head.keepAlive)"
    switch head.framing {
    case .none: return "whole \(what) -"
    case .length(let count): return body.count < count ? "more" : "whole \(what) \(hex(body[..<count]))"
    case .untilClose: return "more"
    case .chunked: return chunkedVerdict(body, what)
    }
  }
}

func chunkedVerdict(_ body: UnsafeRawBufferPointer, _ what: String) -> String {
  var decoder = HTTP1ChunkedDecoder()
  var payload = [UInt8]()
  var position = 0
  while true {
    switch decoder.decode(body, from: &position) {
    case .payload(let range): payload += body[range]
    case .needMore: return "more"
    case .end: return "whole \(what) \(hex(payload))"
    case .invalid(let fault): return "refused \(fault.reason)"
    }
  }
}

/// Bytes in hexadecimal; a dash for none.
func hex(_ bytes: some Collection<UInt8>) -> String {
  if bytes.isEmpty { return "-" }
  return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

// MARK: JSON and events

func jsonVerdict(_ bytes: UnsafeRawBufferPointer) -> String {
  var scanner = JSONScanner(schema: .answer)
  var position = 0
  while true {
    switch scanner.scan(bytes, from: &position, base: 0) {
    case .began, .ended: continue
    case .invalid: return "refused \(scanner.fault.reason)"
    case .more: return scanner.finish(at: bytes.count) == .more ? "valid" : "refused \(scanner.fault.reason)"
    }
  }
}

/// What is left of a chat stream whose client did not ask for usage; cut into pieces by the stream's own length.
func streamVerdict(_ bytes: UnsafeRawBufferPointer) -> String {
  var reader = ResponseReader(endpoint: .chatCompletions, streamed: true, status: 200, hideUsage: true)
  let out = ByteQueue()
  let size = 1 + bytes.count % 97
  for start in stride(from: 0, to: bytes.count, by: size) {
    let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(bytes.count, start + size)])
    if reader.consume(piece, into: out) == .malformed { return "refused \(reader.fault.reason)" }
  }
  let end = reader.finish(into: out)
  return "\(end) \(reader.tokens.input) \(reader.tokens.output) \(hex(out.readable))"
}
