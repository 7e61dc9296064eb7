import Testing

/// What only a fuzzer sends: events whose data is spread over lines where no provider breaks them.
@Suite("Response reader: events in many lines")
struct EventEditsTests {
  @Test(
    "usage that comes first is taken out with its comma, on whichever line that stands",
    arguments: ["\n", "\r\n", "\r"])
  func commaOnAnotherLine(end: String) {
    func stream(_ lines: String...) -> String {
      (lines + ["", "data: [DONE]", "", ""]).joined(separator: end)
    }
    let spread = stream("data: {\"usage\":null", ": comment", "data:  ", "data: , \"choices\":[]}")
    let verdict = readAnswer(spread, .chatCompletions, hideUsage: true)
    #expect(
      Array(verdict.out.utf8)
        == Array(stream("data: {", ": comment", "data:  ", "data:  \"choices\":[]}").utf8))
    let only = readAnswer(stream("data: { \"usage\":null", "data: }"), .chatCompletions, hideUsage: true)
    #expect(Array(only.out.utf8) == Array(stream("data: { ", "data: }").utf8))
  }

  @Test("an event with usage twice does not pass to a client that asked for none")
  func usageTwice() {
    let twice = event(#"{"usage":null,"choices":[],"usage":{"prompt_tokens":1}}"#)
    let verdict = readAnswer(event(hello) + twice + event("[DONE]"), .chatCompletions, hideUsage: true)
    #expect(verdict.out == event(hello))
    #expect(verdict.end == .malformed)
    #expect(readAnswer(twice + event("[DONE]"), .chatCompletions).out == twice + event("[DONE]"))
  }

  @Test("a mark of the end that is broken over lines is none, and an array may be broken anywhere")
  func brokenMark() {
    #expect(readAnswer("data: [DO\ndata: NE]\n\n", .chatCompletions).end == .malformed)
    let array = "data: [\ndata: 1]\n\n" + event("[DONE]")
    #expect(readAnswer(array, .chatCompletions).out == array)
    #expect(readAnswer("data: [DONE]\ndata:\n\n", .chatCompletions).end == .complete)
  }

  @Test(
    "a byte order mark counts at the very beginning only, and alone on its line it makes that line no fuller")
  func byteOrderMark() {
    let streams = ["\u{FEFF}\n", "\n\u{FEFF}data: unread\n\n", "\u{FEFF}\u{FEFF}data: unread\n\n"]
    for stream in streams.map({ $0 + event(hello) }) {
      let verdict = readAnswer(stream + event("[DONE]"), .chatCompletions)
      #expect(Array(verdict.out.utf8) == Array((stream + event("[DONE]")).utf8))
      #expect(verdict.end == .complete)
      #expect(verdict.outputEvents == 1)
    }
  }
}
