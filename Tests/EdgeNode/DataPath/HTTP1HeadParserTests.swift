import EdgeDataPath
import Testing

/// All that a parser found in a head, in a form that can be compared.
struct HeadVerdict: Equatable, CustomStringConvertible {
  var step = "more"
  var method = ""
  var target = ""
  var host = ""
  var status = 0
  var minorVersion = 1
  var framing = HTTP1Framing.none
  var keepAlive = true
  var expectsContinue = false
  var fields: [String] = []

  var description: String { "\(step) \(method) \(target) \(status) \(framing) \(fields)" }
}

/// Parses a head that comes in one piece, or that grows to each of the given lengths.
func parseHead(
  _ bytes: [UInt8], _ kind: HTTP1MessageKind = .request, growing lengths: [Int] = []
) -> HeadVerdict {
  var parser = HTTP1HeadParser(kind: kind)
  var head = HTTP1Head()
  var verdict = HeadVerdict()
  for length in lengths + [bytes.count] {
    let step = withBytes(Array(bytes[..<length])) { buffer in
      let step = parser.parse(buffer, into: &head)
      guard case .head = step else { return step }
      func text(_ range: Range<Int>) -> String { String(decoding: buffer[range], as: UTF8.self) }
      verdict.method = text(head.method)
      verdict.target = text(head.target)
      verdict.host = text(head.host)
      for index in 0..<head.count {
        verdict.fields.append(text(head[index].name) + "=" + text(head[index].value))
      }
      return step
    }
    switch step {
    case .needMore: continue
    case .invalid(let fault):
      verdict.step = fault.reason.description
      return verdict
    case .head(let length):
      verdict.step = "head \(length)"
      verdict.status = head.status
      verdict.minorVersion = head.minorVersion
      verdict.framing = head.framing
      verdict.keepAlive = head.keepAlive
      verdict.expectsContinue = head.expectsContinue
      return verdict
    }
  }
  return verdict
}

/// Parses a head whole, and growing in every way of two steps and byte by byte: the verdict must be the same.
func parseHead(_ head: String, _ kind: HTTP1MessageKind = .request) -> HeadVerdict {
  let bytes = Array(head.utf8)
  let whole = parseHead(bytes, kind)
  for cut in 0...bytes.count {
    #expect(parseHead(bytes, kind, growing: [cut]).step == whole.step, "cut at \(cut)")
  }
  let slow = parseHead(bytes, kind, growing: Array(0...bytes.count))
  #expect(slow == whole, "byte by byte")
  return whole
}

func request(_ fields: String..., line: String = "POST /v1/x HTTP/1.1", host: String? = "edge") -> HeadVerdict
{
  let lines = [line] + (host.map { ["Host: \($0)"] } ?? []) + fields
  return parseHead(lines.joined(separator: "\r\n") + "\r\n\r\n")
}

func answer(_ lines: String..., kind: HTTP1MessageKind = .answer) -> HeadVerdict {
  parseHead(lines.joined(separator: "\r\n") + "\r\n\r\n", kind)
}

@Suite("HTTP/1.1 head parser")
struct HTTP1HeadParserTests {
  @Test("the limits of a head are settings")
  func chosenLimits() {
    let head = Array("GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n".utf8)
    // 16 + 9 + 6 + 2 bytes, two fields.
    func verdict(fields: Int, bytes: Int) -> HTTP1HeadStep {
      var parser = HTTP1HeadParser(kind: .request, byteLimit: bytes)
      var found = HTTP1Head(fieldLimit: fields)
      return withBytes(head) { parser.parse($0, into: &found) }
    }
    func isTooLarge(_ step: HTTP1HeadStep) -> Bool {
      if case .invalid(let fault) = step { fault.kind == .tooLarge } else { false }
    }
    #expect(verdict(fields: 2, bytes: 33) == .head(length: 33))
    #expect(isTooLarge(verdict(fields: 1, bytes: 33)))
    #expect(isTooLarge(verdict(fields: 2, bytes: 32)))
  }

  @Test("a request's line and fields are found where they stand")
  func plainRequest() {
    let text =
      "POST /v1/chat?x=1 HTTP/1.1\r\nHost: edge:8443\r\nX-Empty:\r\nx-a:  b c \t\r\nContent-Length: 12\r\n\r\nBODY"
    let verdict = parseHead(text)
    #expect(verdict.step == "head \(text.utf8.count - 4)")
    #expect(verdict.method == "POST")
    #expect(verdict.target == "/v1/chat?x=1")
    #expect(verdict.host == "edge:8443")
    #expect(verdict.fields == ["Host=edge:8443", "X-Empty=", "x-a=b c", "Content-Length=12"])
    #expect(verdict.framing == .length(12))
    #expect(verdict.keepAlive)
  }

  @Test("values may hold tabs and bytes beyond ASCII")
  func values() {
    #expect(request("x: a\tb é").fields.last == "x=a\tb é")
  }

  @Test("one empty line before a request is skipped, before an answer it is not")
  func emptyLine() {
    #expect(parseHead("\r\nGET / HTTP/1.1\r\nHost: e\r\n\r\n").target == "/")
    #expect(parseHead("\r\n\r\nGET / HTTP/1.1\r\nHost: e\r\n\r\n").step == "the first line is empty")
    #expect(parseHead("\r\nHTTP/1.1 200 OK\r\n\r\n", .answer).step == "the first line is empty")
  }

  @Test("a connection stays open as the version and the connection field say")
  func keepAlive() {
    #expect(request().keepAlive)
    #expect(!request("Connection: close").keepAlive)
    #expect(!request("connection: upgrade ,\tCLOSE").keepAlive)
    #expect(!request("Connection: keep-alive", "Connection: close").keepAlive)
    #expect(request("Connection: closed").keepAlive)
    #expect(!request(line: "GET / HTTP/1.0").keepAlive)
    #expect(request("Connection: Keep-Alive", line: "GET / HTTP/1.0").keepAlive)
  }

  @Test("an expectation counts in HTTP/1.1 alone")
  func expectation() {
    #expect(request("Expect: 100-Continue").expectsContinue)
    #expect(!request("Expect: 100-continue", line: "POST / HTTP/1.0").expectsContinue)
    #expect(!request("Expect: other").expectsContinue)
  }

  @Test("an absolute target gives its path when its authority is the host")
  func absoluteTarget() {
    let same = request(line: "GET http://Edge:1/v1/models?a HTTP/1.1", host: "edge:1")
    #expect(same.target == "/v1/models?a")
    #expect(
      request(line: "GET http://edge/ HTTP/1.1", host: "other").step
        == "the request's target and host disagree")
    #expect(request(line: "GET http://edge HTTP/1.1").step.contains("no path"))
    #expect(request(line: "GET http://u@edge/ HTTP/1.1").step.contains("malformed authority"))
  }

  @Test("a request's framing follows its fields")
  func requestFraming() {
    #expect(request().framing == .none)
    #expect(request("content-length: 0").framing == .length(0))
    #expect(request("Transfer-Encoding: Chunked").framing == .chunked)
  }

  @Test(
    "what two parsers could read differently is refused",
    arguments: [
      "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
      "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Transfer-Encoding:",
      "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding: \"chunked\"",
      "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6",
      "Content-Length: 5, 5",
      "Content-Length: +5", "Content-Length: -5", "Content-Length: 5 5", "Content-Length: 0x5",
      "Content-Length:",
      "Content-Length: 5.0", "Content-Length: 1234567890123456789", "Content-Length : 5", "Content-Length: ٥",
      " folded: x", "\tfolded: x", "x: a\r\n b", ": no name", "no colon", "na me: x", "n\u{0}: x", "naïve: x",
      "x: a\u{0}b", "x: a\rb", "x: a\nb", "x: a\u{7F}b", "x: a\u{8}b", "x\r\n", "(x): y", "x@y: z",
      "Host: again",
    ])
  func refusedFields(fields: String) {
    let verdict = request(fields)
    #expect(!verdict.step.hasPrefix("head"), "\(verdict)")
    #expect(verdict.step != "more")
    // The control: the same request without the field is good.
    #expect(request("x: y").step.hasPrefix("head"))
  }

  @Test(
    "a request line that is not one is refused",
    arguments: [
      "GET /", "GET", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET\t/ HTTP/1.1",
      "GET / HTTP/1.2",
      "GET / HTTP/2.0", "GET / HTTP/0.9", "GET / http/1.1", "GET / HTTP/1.1x", "GET / HTTP/11",
      "G@T / HTTP/1.1",
      "GET /a b HTTP/1.1", "GET /\u{1} HTTP/1.1", "GET /\u{0} HTTP/1.1", "GET /\u{7F} HTTP/1.1",
      "GET /é HTTP/1.1",
      "GET /#f HTTP/1.1", "GET x HTTP/1.1", "OPTIONS * HTTP/1.1", "CONNECT edge:443 HTTP/1.1", "/ HTTP/1.1",
      "GET ftp://edge/ HTTP/1.1", "PRI * HTTP/2.0", "\u{16}\u{3}\u{1}",
    ])
  func refusedLines(line: String) {
    let verdict = request(line: line)
    #expect(!verdict.step.hasPrefix("head"), "\(verdict)")
    #expect(verdict.step != "more")
  }

  @Test("a host is needed once, and only as a host")
  func host() {
    #expect(request(host: nil).step == "host is missing")
    #expect(request(line: "GET / HTTP/1.0", host: nil).step.hasPrefix("head"))
    for host in ["", "a b", "a/b", "a@b", "a,b", "a?b", "a\\b"] {
      #expect(request(host: host).step.hasPrefix("host is"))
    }
    for host in ["a", "a.b:80", "[::1]:443", "127.0.0.1"] { #expect(request(host: host).host == host) }
  }

  @Test("a bare line feed is refused as soon as it comes")
  func bareLineFeed() {
    #expect(parseHead("GET / HTTP/1.1\nHost: e\n\n").step == "a line ends without a carriage return")
    #expect(parseHead("GET / HTTP/1.1\r\nHost: e\n").step == "a line ends without a carriage return")
    #expect(parseHead("GET / HTTP/1.1\r\nHost: e\r\n\n").step == "a line ends without a carriage return")
  }

  @Test("a malformed first line is refused before the head is whole")
  func earlyRefusal() {
    #expect(parseHead("GET /\r\n").step == "the request's target is malformed")
    #expect(parseHead("GET / HTTP/1.1\r\n").step == "more")
  }

  @Test("100 fields pass and 101 do not; 32 KiB pass and one byte more does not")
  func limits() {
    let many = Array(repeating: "a: b", count: 99)
    func head(_ fields: [String]) -> [UInt8] {
      Array((["GET / HTTP/1.1", "Host: e"] + fields).joined(separator: "\r\n").utf8) + Array("\r\n\r\n".utf8)
    }
    #expect(parseHead(head(many)).fields.count == 100)
    #expect(parseHead(head(many + ["a: b"])).step == "more fields than the limit")
    let rest = head(["a: "]).count
    let full = head(["a: " + String(repeating: "b", count: 32 * 1024 - rest)])
    #expect(parseHead(full).step == "head 32768")
    let over = head(["a: " + String(repeating: "b", count: 32 * 1024 - rest + 1)])
    #expect(parseHead(over).step == "the head is larger than the limit")
    #expect(parseHead(Array(over[..<32_768])).step == "the head is larger than the limit")
  }

  @Test("an answer's status and framing follow its line and fields")
  func answers() {
    #expect(answer("HTTP/1.1 200 OK", "content-length: 3").framing == .length(3))
    #expect(answer("HTTP/1.1 200", "content-length: 3").status == 200)
    #expect(answer("HTTP/1.1 404 ", "transfer-encoding: chunked").framing == .chunked)
    #expect(answer("HTTP/1.1 200 OK").framing == .untilClose)
    #expect(!answer("HTTP/1.1 200 OK").keepAlive)
    #expect(answer("HTTP/1.1 200 OK", "content-length: 3", kind: .answerToHead).framing == .none)
    #expect(answer("HTTP/1.1 304 Not Modified", "content-length: 3").framing == .none)
    #expect(answer("HTTP/1.1 204 No Content").framing == .none)
    #expect(answer("HTTP/1.1 100 Continue").framing == .none)
    #expect(!answer("HTTP/1.0 200 OK", "content-length: 3").keepAlive)
    #expect(answer("HTTP/1.1 200 Ünï \t code", "content-length: 3").status == 200)
  }

  @Test(
    "an answer that is not one is refused",
    arguments: [
      "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 OK", "HTTP/1.1 600 OK", "HTTP/1.1 2x0 OK",
      "HTTP/1.1  200 OK",
      "HTTP/2 200 OK", "HTTP/1.2 200 OK", "ICY 200 OK", "HTTP/1.1200 OK", "HTTP/1.1 200 O\u{0}K", "HTTP/1.1",
      "HTTP/1.1 101 Switching Protocols", "HTTP/1.1 204 x\r\ncontent-length: 3",
      "HTTP/1.1 204 x\r\ntransfer-encoding: chunked",
      "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3",
      "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked",
      "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked",
    ])
  func refusedAnswers(lines: String) {
    let verdict = answer(lines)
    #expect(!verdict.step.hasPrefix("head"), "\(verdict)")
    #expect(verdict.step != "more")
  }

  @Test("random damage never traps, and the verdict does not depend on how the head came")
  func randomDamage() {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(seed: seed)
    let head =
      "POST http://e/v1 HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\nConnection: close, te\r\nx-long: 0123456789abcdef0\r\n\r\nhello"
    for round in 0..<5_000 {
      var bytes = Array(head.utf8)
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let value: UInt8 =
          Bool.random(using: &generator)
          ? UInt8.random(in: 0...255, using: &generator)
          : Array("\r\n \t:,".utf8).randomElement(using: &generator) ?? 0
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = value
      }
      let cut = Int.random(in: 0...bytes.count, using: &generator)
      var whole = parseHead(bytes)
      var grown = parseHead(bytes, growing: [cut])
      // Of two faults, either may be found first.
      if !whole.step.hasPrefix("head"), whole.step != "more" { whole.step = "refused" }
      if !grown.step.hasPrefix("head"), grown.step != "more" { grown.step = "refused" }
      #expect(whole == grown, "seed \(seed), round \(round)")
    }
  }
}
