import EdgeDataPath
import Testing

/// What a scan of a whole document said.
struct ScanVerdict: Equatable, CustomStringConvertible {
  var reason = "valid"
  var offset = 0
  var reports: [String] = []

  var description: String { "\(reason) at \(offset) \(reports)" }
}

func scan(_ pieces: [[UInt8]], schema: JSONSchema = .answer) -> ScanVerdict {
  var scanner = JSONScanner(schema: schema)
  var verdict = ScanVerdict()
  var base = 0
  for piece in pieces {
    let good = withBytes(piece) { bytes in
      var position = 0
      while true {
        switch scanner.scan(bytes, from: &position, base: base) {
        case .more: return true
        case .began: verdict.reports.append("+\(scanner.node) \(scanner.kind) \(scanner.start)")
        case .ended: verdict.reports.append("-\(scanner.node) \(scanner.kind) \(scanner.end)")
        case .invalid: return false
        }
      }
    }
    base += piece.count
    if !good { break }
  }
  if scanner.finish(at: base) == .invalid {
    verdict.reason = scanner.fault.reason.description
    verdict.offset = scanner.fault.offset
  }
  return verdict
}

@Suite("JSON scanner")
struct JSONScannerTests {
  @Test(
    "valid documents are valid however they are split",
    arguments: [
      "{}", "[]", " [ ] ", "null", "true", "false", "0", "-0", "10", "-1.5e+10", "1E5", "0.0",
      "\"\"", "1 ", "\t1",
      #"{"a":1}"#, #"{ "a" : [ 1 , 2 , { } ] , "b" : null }"#, #""\u0041\"\\\/\b\f\n\r\t""#,
      #""\ud83d\ude00""#,
      #""\ud83d""#, "\"ünïcödé 漢字 😀\"", "[[[[[[]]]]]]", #"{"":{"":""}}"#,
      #"{"usage":{"prompt_tokens":3}}"#,
      #"{"a":"0123456789abcdef0123456789abcdef","b":"0123456789abcde\"f"}"#,
      String(repeating: "[", count: 128) + String(repeating: "]", count: 128),
    ])
  func valid(document: String) {
    check(document, isValid: true)
  }

  @Test(
    "invalid documents are invalid however they are split",
    arguments: [
      "", " ", "{", "[", "\"", "\"\\", "\"\\u12", "tru", "trux", "nul", "falsy", "-", "01", "1.",
      "1.e5", "1e", "1e+",
      ".5", "+1", "0x1", "NaN", "Infinity", "{]", "[}", "[1,]", "{\"a\":1,}", "{,}", "[,1]",
      "{\"a\"}", "{\"a\" 1}",
      "{\"a\":}", "{a:1}", "{'a':1}", "{1:1}", "[1 2]", "1 2", "{} {}", "[]]", "\"\u{1}\"",
      "\"a\nb\"", #""\x41""#,
      #""\u12G4""#, "\u{FEFF}{}", "// comment\n1", "[1]x", "-a", "--1", "1-1", "1e5.5", "\u{0}",
      "[\u{0}]",
      String(repeating: "[", count: 129) + String(repeating: "]", count: 129),
    ])
  func invalid(document: String) {
    check(document, isValid: false)
  }

  private func check(_ document: String, isValid: Bool) {
    let bytes = Array(document.utf8)
    let whole = scan([bytes])
    #expect((whole.reason == "valid") == isValid, "\(whole)")
    for cut in 0...bytes.count {
      #expect(scan(pieces(of: bytes, cutAt: [cut])) == whole, "cut at \(cut)")
    }
    #expect(scan(bytes.map { [$0] }) == whole, "byte by byte")
  }

  @Test(
    "the fault says where and why",
    arguments: [
      ("[1,2", "unexpected end", 4), (#"{"a" 1}"#, "expected a colon", 5),
      ("{} x", "unexpected data after the end", 3),
      ("[1 2]", "expected a comma or the end of an array or object", 3),
      ("[1}", "closed by the wrong bracket", 2),
    ])
  func faults(document: String, reason: String, offset: Int) {
    let verdict = scan([Array(document.utf8)])
    #expect(verdict.reason.contains(reason))
    #expect(verdict.offset == offset)
  }

  /// Long strings are passed over in blocks: wherever an end stands in one, it is found there.
  @Test("a string ends where it ends", arguments: 0...200)
  func end(length: Int) {
    let plain = [UInt8](repeating: UInt8(ascii: "a"), count: length)
    for place in 0...length {
      let ended = scan([[0x22] + plain[..<place] + [0x22] + plain[place...] + [0x22]])
      #expect(ended.reason == "unexpected data after the end" && ended.offset == place + 2)
      let broken = scan([[0x22] + plain[..<place] + [0x1F] + plain[place...] + [0x22]])
      #expect(broken.reason == "a control character stands in a string" && broken.offset == place + 1)
      let escaped = [0x22] + plain[..<place] + Array(#"\""#.utf8) + plain[place...] + [0x22]
      #expect(scan([escaped]).reason == "valid")
    }
  }

  @Test("only members that the schema names are reported, with the places of their values")
  func reports() {
    let document =
      #"{"id":"x","choices":[{"delta":{"content":"hi"}}],"usage":{"prompt_tokens":12,"x":{"usage":1}}}"#
    let bytes = Array(document.utf8)
    let expected = [
      "+root object 0", "+choices array 20", "+choice object 21", "+delta object 30",
      "-text string 45",
      "-delta object 46", "-choice object 47", "-choices array 48", "+usage object 57",
      "-inputTokens number 76",
      "-usage object 93", "-root object 94",
    ]
    #expect(scan([bytes]).reports == expected)
    for cut in 0...bytes.count {
      #expect(scan(pieces(of: bytes, cutAt: [cut])).reports == expected, "cut at \(cut)")
    }
  }

  @Test("a key is known by its characters, escaped or not")
  func escapedKeys() {
    #expect(
      scan([Array(#"{"us\u0061ge":null}"#.utf8)]).reports == [
        "+root object 0", "-usage null 18", "-root object 19",
      ])
    #expect(
      scan([Array(#"{"usage ":null}"#.utf8)]).reports == ["+root object 0", "-root object 15"])
    let long = String(repeating: "k", count: 1000)
    #expect(scan([Array("{\"\(long)\":null}".utf8)]).reports.count == 2)
  }

  @Test("random damage to a document never traps, and the verdict does not depend on the split")
  func randomDamage() {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(seed: seed)
    let document =
      #"{"model":"m","a":[1,-2.5e3,true,{"b":"\u00e9\n","usage":{"prompt_tokens":1}}],"stream":false}"#
    for round in 0..<3_000 {
      var bytes = Array(document.utf8)
      for _ in 0..<Int.random(in: 0...3, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      let cuts = (0..<2).map { _ in Int.random(in: 0...bytes.count, using: &generator) }.sorted()
      #expect(scan([bytes]) == scan(pieces(of: bytes, cutAt: cuts)), "seed \(seed), round \(round)")
    }
  }
}
