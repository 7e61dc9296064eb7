import EdgeDataPath
import Testing

private enum Verdict: Equatable {
  case refused(String)
  case refusedAtEnd
  case taken(status: Int, bodyLength: Int)
}

private func verdict(_ fields: [Field], trailers: Bool = false, ends: Bool = false) -> Verdict {
  var rules = AnswerHeadRules(trailers: trailers)
  for field in fields {
    let judged = withBytes(field.name) { name in
      withBytes(field.value) { rules.judge(HeaderName(name), name, $0) }
    }
    if judged == .refuse { return .refused(field.name) }
  }
  guard rules.allowsEnd(ends) else { return .refusedAtEnd }
  return .taken(status: rules.status, bodyLength: rules.bodyLength)
}

@Suite("What an HTTP/2 answer's head may say")
struct AnswerHeadRulesTests {
  private static let ok = Field(":status", "200")

  @Test("an ordinary head is taken")
  func ordinary() {
    let head = [
      Self.ok, Field("content-type", "text/plain"), Field("content-length", "12"), Field("x", "é \t!"),
    ]
    #expect(verdict(head) == .taken(status: 200, bodyLength: 12))
    #expect(verdict([Self.ok]) == .taken(status: 200, bodyLength: -1))
    #expect(verdict([Self.ok], ends: true) == .taken(status: 200, bodyLength: -1))
    #expect(verdict([Self.ok, Field("content-length", "12")], ends: true) == .refusedAtEnd)
    #expect(
      verdict([Self.ok, Field("content-length", "0")], ends: true) == .taken(status: 200, bodyLength: 0))
  }

  @Test(
    "a status is three digits, once, before all else, and not 101",
    arguments: ["", "20", "2000", "abc", "+20", " 20", "099", "000", "101"])
  func badStatus(status: String) {
    #expect(verdict([Field(":status", status)]) == .refused(":status"))
  }

  @Test("a status that is missing, doubled, late or another pseudo field is refused")
  func pseudoFields() {
    #expect(verdict([]) == .refusedAtEnd)
    #expect(verdict([Field("x", "y")]) == .refused("x"))
    #expect(verdict([Self.ok, Self.ok]) == .refused(":status"))
    #expect(verdict([Self.ok, Field("x", "y"), Field(":status", "200")]) == .refused(":status"))
    #expect(verdict([Self.ok, Field(":path", "/")]) == .refused(":path"))
    #expect(verdict([Self.ok, Field(":new", "1")]) == .refused(":new"))
    #expect(verdict([Field(":", "200")]) == .refused(":"))
  }

  @Test(
    "names are tokens in lower case",
    arguments: ["", "X", "Content-Type", "a b", "a:b", "a\r", "a\u{0}", "é", "connectioN"])
  func badNames(name: String) {
    #expect(verdict([Self.ok, Field(name, "y")]) == .refused(name))
  }

  @Test(
    "values have no controls and no space at their ends",
    arguments: ["a\r\nb", "a\nb", "a\u{0}b", "\u{7F}", " a", "a ", "\ta", "a\t", " ", "a\u{1}"])
  func badValues(value: String) {
    #expect(verdict([Self.ok, Field("x", value)]) == .refused("x"))
    #expect(verdict([Self.ok, Field("server", value)]) == .refused("server"))
  }

  @Test(
    "fields of one hop are refused",
    arguments: ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"])
  func hopFields(name: String) {
    #expect(verdict([Self.ok, Field(name, "close")]) == .refused(name))
  }

  @Test("te says trailers or nothing")
  func te() {
    #expect(verdict([Self.ok, Field("te", "Trailers")]) == .taken(status: 200, bodyLength: -1))
    #expect(verdict([Self.ok, Field("te", "gzip")]) == .refused("te"))
  }

  @Test(
    "a length is a number and said once",
    arguments: ["", "-1", "+1", "1,1", "0x1", "1 ", "99999999999999999999"])
  func badLengths(length: String) {
    #expect(verdict([Self.ok, Field("content-length", length)]) == .refused("content-length"))
    let twice = [Self.ok, Field("content-length", "1"), Field("content-length", "1")]
    #expect(verdict(twice) == .refused("content-length"))
  }

  @Test("204 and 304 have no body, whatever length they say")
  func bodiless() {
    let length = Field("content-length", "5")
    #expect(verdict([Field(":status", "304"), length]) == .taken(status: 304, bodyLength: 0))
    #expect(verdict([Field(":status", "204")]) == .taken(status: 204, bodyLength: 0))
    #expect(
      verdict([Field(":status", "204"), Field("content-length", "0")]) == .taken(status: 204, bodyLength: 0))
    #expect(verdict([Field(":status", "204"), length]) == .refused("content-length"))
  }

  @Test("an informational head has no length and does not end the stream")
  func information() {
    let early = Field(":status", "103")
    #expect(verdict([early]) == .taken(status: 103, bodyLength: -1))
    #expect(verdict([early], ends: true) == .refusedAtEnd)
    #expect(verdict([early, Field("content-length", "0")]) == .refused("content-length"))
  }

  @Test("trailers end the stream and have neither pseudo fields nor a length")
  func trailers() {
    let sum = Field("x-checksum", "1")
    #expect(verdict([sum], trailers: true, ends: true) == .taken(status: 0, bodyLength: -1))
    #expect(verdict([sum], trailers: true) == .refusedAtEnd)
    #expect(verdict([Self.ok], trailers: true, ends: true) == .refused(":status"))
    #expect(verdict([Field("content-length", "1")], trailers: true, ends: true) == .refused("content-length"))
    #expect(verdict([Field("connection", "close")], trailers: true, ends: true) == .refused("connection"))
  }
}
