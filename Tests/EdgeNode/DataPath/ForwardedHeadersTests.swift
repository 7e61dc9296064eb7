import EdgeDataPath
import Testing

/// The names that are left of an answer's fields.
private func passed(_ fields: [(String, String)]) -> [String] {
  let answer = HeaderBlock()
  for (name, value) in fields { withBytes(name) { name in withBytes(value) { answer.append(name, $0) } } }
  let head = HeaderBlock()
  ForwardedHeaders.appendAnswer(answer, keepsLength: false, into: head)
  return (0..<head.count).map { String(decoding: head.nameBytes($0), as: UTF8.self) }
}

@Suite("Forwarded headers")
struct ForwardedHeadersTests {
  @Test("what any of several connection fields names stays behind")
  func nominated() {
    let fields = [
      ("connection", "close, X-One"), ("x-one", "a"), ("connection", "x-two\t,, x-three"), ("x-two", "a"),
      ("x-three", "a"), ("x-four", "a"),
    ]
    #expect(passed(fields) == ["x-four"])
  }

  @Test("an upstream cannot say what an edge says of itself, however long the name")
  func ownNames() {
    for length in 0..<20 {
      let name = "x-strait-" + String(repeating: "n", count: length)
      #expect(passed([(name, "a"), ("x-strai", "b")]) == ["x-strai"])
    }
  }

  @Test("the provider's account does not show")
  func account() {
    let names = ["openai-organization", "openai-project", "anthropic-organization-id", "openai-version"]
    #expect(passed(names.map { ($0, "a") }) == ["openai-version"])
  }
}
