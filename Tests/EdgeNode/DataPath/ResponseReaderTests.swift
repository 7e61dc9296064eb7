import EdgeDataPath
import StraitProtocol
import Testing

/// All that a reader says of an answer.
struct AnswerVerdict: Equatable, CustomStringConvertible {
  var out = ""
  var step = ReadStep.more
  var end = ResponseEnd.complete
  var tokens = TokenCounts()
  var sawContent = false
  var sawError = false
  var sawTerminal = false
  var outputEvents: UInt64 = 0
  var outputBytes: UInt64 = 0

  var description: String { "\(step) \(end) \(tokens) content \(sawContent) error \(sawError) «\(out)»" }
}

func readAnswer(
  _ parts: [[UInt8]], _ endpoint: Endpoint, streamed: Bool = true, status: UInt16 = 200,
  hideUsage: Bool = false
) -> AnswerVerdict {
  var reader = ResponseReader(endpoint: endpoint, streamed: streamed, status: status, hideUsage: hideUsage)
  let out = ByteQueue()
  var verdict = AnswerVerdict()
  for part in parts { withBytes(part) { verdict.step = reader.consume($0, into: out) } }
  verdict.end = reader.finish(into: out)
  verdict.out = text(of: out)
  verdict.tokens = reader.tokens
  verdict.sawContent = reader.sawContent
  verdict.sawError = reader.sawError
  verdict.sawTerminal = reader.sawTerminal
  verdict.outputEvents = reader.outputEvents
  verdict.outputBytes = reader.outputBytes
  return verdict
}

/// Reads an answer whole, cut in two at every place, and byte by byte; all must say the same.
func readAnswer(
  _ answer: String, _ endpoint: Endpoint, streamed: Bool = true, status: UInt16 = 200, hideUsage: Bool = false
) -> AnswerVerdict {
  let bytes = Array(answer.utf8)
  func read(_ parts: [[UInt8]]) -> AnswerVerdict {
    readAnswer(parts, endpoint, streamed: streamed, status: status, hideUsage: hideUsage)
  }
  let whole = read([bytes])
  for cut in 0...bytes.count { #expect(read(pieces(of: bytes, cutAt: [cut])) == whole, "cut at \(cut)") }
  #expect(read(bytes.map { [$0] }) == whole, "byte by byte")
  return whole
}

func tokens(
  input: UInt64, output: UInt64, cached: UInt64 = 0, write: UInt64 = 0, reasoning: UInt64 = 0
) -> TokenCounts {
  var counts = TokenCounts()
  counts.source = .provider
  counts.input = input
  counts.output = output
  counts.cachedInput = cached
  counts.cacheWrite = write
  counts.reasoning = reasoning
  return counts
}

func event(_ data: String) -> String { "data: \(data)\n\n" }

let role =
  #"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#
let hello = #"{"id":"c","choices":[{"index":0,"delta":{"content":"héllo"},"finish_reason":null}]}"#
let stop = #"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
let usage =
  #"{"id":"c","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,"#
  + #""prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}"#

@Suite("Response reader: OpenAI streams")
struct ChatStreamTests {
  @Test("a stream passes byte for byte and its usage is read")
  func passes() {
    let stream = event(role) + ": ping\n\n" + event(hello) + event(stop) + event(usage) + event("[DONE]")
    let verdict = readAnswer(stream, .chatCompletions)
    #expect(verdict.out == stream)
    #expect(verdict.end == .complete)
    #expect(verdict.tokens == tokens(input: 10, output: 7, cached: 4, reasoning: 3))
    #expect(verdict.sawContent)
    #expect(verdict.outputEvents == 1)
    #expect(verdict.outputBytes == 6)  // h é(2) l l o
    #expect(!verdict.sawError)
  }

  @Test("usage that the client did not ask for is taken out, and the event that was there for nothing else")
  func hides() {
    func with(_ member: String) -> String {
      [
        #"{"id":"c","choices":[{"delta":{"content":"x"}}],\#(member)}"#,
        #"{"id":"c", \#(member) ,"choices":[{"delta":{"content":"x"}}]}"#,
        #"{\#(member), "choices":[{"delta":{"content":"x"}}]}"#, #"{ \#(member) }"#,
      ].map(event).joined()
    }
    let plain = [
      #"{"id":"c","choices":[{"delta":{"content":"x"}}]}"#,
      #"{"id":"c" ,"choices":[{"delta":{"content":"x"}}]}"#,
      #"{ "choices":[{"delta":{"content":"x"}}]}"#, "{  }",
    ].map(event).joined()
    for member in [
      #""usage":null"#, #""usage" : {"prompt_tokens":1,"completion_tokens":2}"#, #""us\u0061ge":{}"#,
    ] {
      let verdict = readAnswer(
        with(member) + event(usage) + event("[DONE]"), .chatCompletions, hideUsage: true)
      #expect(verdict.out == plain + event("[DONE]"))
      #expect(verdict.tokens.input == 10)
    }
    let untouched = readAnswer(with(#""usage":null"#) + event("[DONE]"), .chatCompletions)
    #expect(untouched.out == with(#""usage":null"#) + event("[DONE]"))
  }

  @Test("an event with empty choices but no usage stays")
  func keepsEmptyChoices() {
    let filter = #"{"choices":[],"prompt_filter_results":[{}]}"#
    let stream = event(filter) + event("[DONE]")
    #expect(readAnswer(stream, .chatCompletions, hideUsage: true).out == stream)
    let withNull = event(#"{"choices":[],"usage":null,"prompt_filter_results":[{}]}"#) + event("[DONE]")
    #expect(readAnswer(withNull, .chatCompletions, hideUsage: true).out == stream)
  }

  @Test("every way to end a line, fields that are not data, several data lines and a BOM pass untouched")
  func syntax() {
    for end in ["\n", "\r\n", "\r"] {
      let lines = [
        "\u{FEFF}data: \(role)", "", ": comment", "", "id: 7", "event: message", "retry:10", "data:\(hello)",
        "unknown",
        "", "data: {\"choices\":[],", "data:  \"usage\":{\"prompt_tokens\":1,", "data:",
        "data: \"completion_tokens\":2}}",
        "", "", "data", "", "data:", "", "data: [DONE]", "", "",
      ]
      let stream = lines.joined(separator: end)
      let verdict = readAnswer(stream, .chatCompletions)
      #expect(Array(verdict.out.utf8) == Array(stream.utf8))
      #expect(verdict.end == .complete)
      #expect(verdict.tokens == tokens(input: 1, output: 2))
      #expect(verdict.sawContent)
      let hidden = readAnswer(
        event(role) + "data: {\"choices\":[],\(end)data: \"usage\":{\"prompt_tokens\":1}}\(end)\(end)"
          + event("[DONE]"), .chatCompletions, hideUsage: true)
      #expect(hidden.out.hasPrefix(event(role)))
      #expect(hidden.out.hasSuffix(event("[DONE]")))
      #expect(hidden.out.utf8.count == event(role).utf8.count + event("[DONE]").utf8.count)
    }
  }

  @Test("an explicit zero is the provider's word and null is none")
  func zero() {
    let zero = event(#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#) + event("[DONE]")
    #expect(readAnswer(zero, .chatCompletions).tokens == tokens(input: 0, output: 0))
    let null = event(#"{"choices":[],"usage":null}"#) + event("[DONE]")
    #expect(readAnswer(null, .chatCompletions).tokens == TokenCounts())
    let late = event(usage) + event(#"{"choices":[],"usage":null}"#) + event("[DONE]")
    #expect(readAnswer(late, .chatCompletions).tokens.output == 7)
  }

  @Test("a stream without its end is cut, and nothing of a half event goes on")
  func cut() {
    let whole = event(role) + event(hello)
    #expect(readAnswer(whole, .chatCompletions).end == .cut)
    let half = readAnswer(whole + "data: {\"choices\":[{\"del", .chatCompletions)
    #expect(half.end == .cut)
    #expect(half.out == whole)
    #expect(readAnswer("", .chatCompletions).end == .cut)
    #expect(readAnswer(event(hello) + "data: [DON", .chatCompletions).out == event(hello))
  }

  @Test("the last empty line may be missing")
  func missingBlankLine() {
    for ending in ["data: [DONE]", "data: [DONE]\n", "data: [DONE]\r", "data: [DONE]\r\n"] {
      let verdict = readAnswer(event(hello) + ending, .chatCompletions)
      #expect(verdict.end == .complete)
      #expect(verdict.out == event(hello) + ending)
    }
  }

  @Test(
    "an event that is not JSON is malformed and goes no further",
    arguments: [
      "{\"choices\":[", "oops", "{'a':1}", "[DONE] x", "[DONE", "[", "{} {}", "{\"a\":1,\ndata: \"b\n",
    ])
  func malformed(data: String) {
    let verdict = readAnswer(event(hello) + event(data) + event(usage) + event("[DONE]"), .chatCompletions)
    #expect(verdict.step == .malformed)
    #expect(verdict.end == .malformed)
    #expect(verdict.out == event(hello))
    #expect(verdict.tokens == TokenCounts())
  }

  @Test(
    "an error inside the stream is seen",
    arguments: [#"{"error":{"message":"x"}}"#, #"{"error":"x"}"#, #"{"error":true}"#, #"{"error":1}"#])
  func errors(data: String) {
    let verdict = readAnswer(event(data), .chatCompletions)
    #expect(verdict.sawError)
    #expect(verdict.end == .complete)
    #expect(verdict.out == event(data))
  }

  @Test(
    "an empty error is none",
    arguments: [#"{"error":null}"#, #"{"error":{}}"#, #"{"error":""}"#, #"{"error":false}"#, #"{"error":0}"#])
  func noErrors(data: String) {
    #expect(!readAnswer(event(data), .chatCompletions).sawError)
  }

  @Test("tool calls, reasoning and deltas that we do not know count as content; a role does not")
  func content() {
    func saw(_ delta: String) -> (Bool, UInt64) {
      let verdict = readAnswer(event(#"{"choices":[{"delta":\#(delta)}]}"#), .chatCompletions)
      return (verdict.sawContent, verdict.outputBytes)
    }
    #expect(saw(#"{"role":"assistant","content":null,"refusal":null}"#) == (false, 0))
    #expect(saw(#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"a\""}}]}"#) == (true, 4))
    #expect(saw(#"{"reasoning_content":"hm"}"#) == (true, 2))
    #expect(saw(#"{"something_new":{"x":1}}"#) == (true, 0))
    #expect(saw(#"{}"#) == (false, 0))
    let completion = readAnswer(event(#"{"choices":[{"text":"abc"}]}"#), .completions)
    #expect(completion.outputBytes == 3)
  }

  @Test("an event beyond the held limit passes as it comes, unchanged, and is read all the same")
  func longEvent() {
    let padding = String(repeating: "p", count: 100_000)
    let long = event(
      #"{"choices":[{"delta":{"content":"\#(padding)"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#)
    let stream = Array((event(role) + long + event(usage) + event("[DONE]")).utf8)
    for size in [1, 1000, 16_384, 65_536 / 2] {
      let cuts = Array(stride(from: size, to: stream.count, by: size))
      let verdict = readAnswer(pieces(of: stream, cutAt: cuts), .chatCompletions, hideUsage: true)
      #expect(verdict.out == event(role) + long + event("[DONE]"))
      #expect(verdict.tokens.input == 10)
      #expect(verdict.outputBytes == 100_000)
      #expect(verdict.end == .complete)
    }
    // One chunk holds the whole event: nothing is held, so the change can be made.
    let whole = readAnswer([stream], .chatCompletions, hideUsage: true)
    #expect(!whole.out.contains("usage"))
  }
}

@Suite("Response reader: typed streams and whole answers")
struct OtherAnswerTests {
  @Test("the Responses API tells usage in its last event")
  func responses() {
    let created =
      "event: response.created\n" + event(#"{"type":"response.created","response":{"id":"r","usage":null}}"#)
    let delta =
      "event: response.output_text.delta\n" + event(#"{"type":"response.output_text.delta","delta":"hi"}"#)
    for ending in ["completed", "incomplete", "failed"] {
      let last =
        "event: response.\(ending)\n"
        + event(
          #"{"type":"response.\#(ending)","response":{"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":2},"#
            + #""output_tokens":5,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":14}}}"#)
      let verdict = readAnswer(created + delta + last, .responses)
      #expect(verdict.out == created + delta + last)
      #expect(verdict.end == .complete)
      #expect(verdict.tokens == tokens(input: 9, output: 5, cached: 2, reasoning: 1))
      #expect(verdict.outputBytes == 2)
      #expect(verdict.sawError == (ending == "failed"))
      #expect(verdict.sawTerminal)
    }
    #expect(readAnswer(created + delta, .responses).end == .cut)
    #expect(readAnswer(created + event(#"{"type":"error","code":"x","message":"y"}"#), .responses).sawError)
  }

  @Test("Anthropic's counts are cumulative: later ones replace earlier ones, absent ones keep them")
  func messages() {
    let start =
      "event: message_start\n"
      + event(
        #"{"type":"message_start","message":{"content":[],"usage":{"input_tokens":10,"cache_read_input_tokens":100,"#
          + #""cache_creation_input_tokens":1000,"output_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":1000}}}}"#
      )
    let ping = "event: ping\n" + event(#"{"type":"ping"}"#)
    let delta =
      "event: content_block_delta\n"
      + event(#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}"#)
    let tool = event(
      #"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{}"}}"#)
    let end =
      "event: message_delta\n"
      + event(#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":42}}"#)
    let stop = "event: message_stop\n" + event(#"{"type":"message_stop"}"#)
    let verdict = readAnswer(start + ping + delta + tool + end + stop, .messages)
    #expect(verdict.out == start + ping + delta + tool + end + stop)
    // 10 + 100 read from the cache + 1000 written to it
    #expect(verdict.tokens == tokens(input: 1110, output: 42, cached: 100, write: 1000))
    #expect(verdict.end == .complete)
    #expect(verdict.outputBytes == 7)
    let early = readAnswer(start + delta, .messages)
    #expect(early.end == .cut)
    #expect(early.tokens.output == 1)
  }

  @Test("Anthropic's error event is seen by its name or its type")
  func messageErrors() {
    let typed = event(#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#)
    #expect(readAnswer(typed, .messages).sawError)
    #expect(readAnswer("event: error\n" + event("{}"), .messages).sawError)
    #expect(readAnswer("event:error\r\ndata:{}\r\n\r\n", .messages).sawError)
    #expect(!readAnswer("event: errors\n" + event("{}"), .messages).sawError)
  }

  @Test("whole answers are read in every dialect and pass as they are")
  func documents() {
    let chat =
      #"{"choices":[{"message":{"role":"assistant","content":"hey"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#
    let answer = readAnswer(chat, .chatCompletions, streamed: false, hideUsage: true)
    #expect(answer.out == chat)
    #expect(answer.tokens == tokens(input: 3, output: 4))
    #expect(answer.outputBytes == 3)
    let message =
      #"{"type":"message","content":[{"type":"text","text":"hey"}],"usage":{"input_tokens":3,"cache_read_input_tokens":5,"output_tokens":4}}"#
    #expect(readAnswer(message, .messages, streamed: false).tokens == tokens(input: 8, output: 4, cached: 5))
    let response =
      #"{"object":"response","output":[{"content":[{"text":"hey"}]}],"usage":{"input_tokens":3,"output_tokens":4}}"#
    #expect(readAnswer(response, .responses, streamed: false).tokens == tokens(input: 3, output: 4))
    let embeddings = #"{"data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#
    #expect(readAnswer(embeddings, .embeddings, streamed: false).tokens == tokens(input: 8, output: 0))
    #expect(readAnswer(#"{"input_tokens":8}"#, .countTokens, streamed: false).tokens == TokenCounts())
    #expect(readAnswer(#"{"error":{"message":"x"}}"#, .chatCompletions, streamed: false).sawError)
  }

  @Test("a whole answer that is cut or malformed says so and passes all the same")
  func brokenDocuments() {
    let cut = readAnswer(#"{"choices":[{"mess"#, .chatCompletions, streamed: false)
    #expect(cut.end == .cut)
    #expect(cut.out == #"{"choices":[{"mess"#)
    let malformed = readAnswer("<html>busy</html>", .chatCompletions, streamed: false)
    #expect(malformed.end == .malformed)
    #expect(malformed.out == "<html>busy</html>")
  }

  @Test("an error status passes unread, whatever its body is")
  func errorStatus() {
    for body in ["<html>", #"{"usage":{"prompt_tokens":1}}"#, "data: x"] {
      let verdict = readAnswer(body, .chatCompletions, status: 503, hideUsage: true)
      #expect(verdict.out == body)
      #expect(verdict.end == .complete)
      #expect(verdict.tokens == TokenCounts())
    }
  }

  @Test("random damage to a stream never traps, and what comes out does not depend on the split")
  func randomDamage() {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(seed: seed)
    let stream = event(role) + "event: x\r\n" + event(hello) + ": p\r\r" + event(usage) + event("[DONE]")
    let alphabet = Array("\r\n:{}[]\",dataeu 0\\\u{0}".utf8) + [0xFF]
    for round in 0..<3_000 {
      var bytes = Array(stream.utf8)
      for _ in 0..<Int.random(in: 0...4, using: &generator) {
        let value = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = value
      }
      let cuts = (0..<4).map { _ in Int.random(in: 0...bytes.count, using: &generator) }.sorted()
      let hide = Bool.random(using: &generator)
      let whole = readAnswer([bytes], .chatCompletions, hideUsage: hide)
      let split = readAnswer(pieces(of: bytes, cutAt: cuts), .chatCompletions, hideUsage: hide)
      #expect(whole == split, "seed \(seed), round \(round)")
      if !hide {
        #expect(String(decoding: bytes, as: UTF8.self).hasPrefix(whole.out), "seed \(seed), round \(round)")
      }
    }
  }
}
