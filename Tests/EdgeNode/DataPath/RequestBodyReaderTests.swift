import EdgeDataPath
import StraitProtocol
import Testing

/// What a reader said of a body, in a form that can be compared.
struct RequestVerdict: Equatable, CustomStringConvertible {
  var fault = ""
  var parameter = ""
  var offset = 0
  var model = ""
  var stream = false
  var includeUsage = false
  var bound: UInt64?
  var choices: UInt64 = 1
  var forwarded = ""

  var description: String { "\(fault) \(parameter) \(offset) \(model) \(stream) \(forwarded)" }
}

func read(
  _ parts: [[UInt8]], endpoint: Endpoint = .chatCompletions, upstreamModel: String? = nil
) -> RequestVerdict {
  var reader = RequestBodyReader(endpoint: endpoint)
  var streamed = StreamedEdits(upstreamModel: upstreamModel)
  for part in parts {
    withBytes(part) { _ = reader.consume($0) }
    streamed.take(part, reader, upTo: reader.settledLength)
  }
  var verdict = RequestVerdict()
  if case .invalid(let fault) = reader.finish() {
    verdict.fault = fault.reason.description
    verdict.parameter = fault.parameter.description
    verdict.offset = fault.offset
    return verdict
  }
  verdict.model = reader.withModel { String(decoding: $0, as: UTF8.self) }
  verdict.stream = reader.stream
  verdict.includeUsage = reader.includeUsage
  verdict.bound = reader.maxOutputTokens
  verdict.choices = reader.choiceCount
  let edits = reader.edits(mapsModel: upstreamModel != nil)
  let out = ByteQueue()
  withBytes(Array(parts.joined())) { body in
    withBytes(upstreamModel ?? "") { model in
      edits.write(body, upstreamModel: model, into: out)
      #expect(edits.forwardedLength(of: body.count, upstreamModel: model) == out.count)
    }
  }
  verdict.forwarded = text(of: out)
  streamed.take([], reader, upTo: reader.length)
  #expect(streamed.text == verdict.forwarded, "passed on as it comes, it is the same")
  return verdict
}

/// The edited body as it would be passed on while it comes.
struct StreamedEdits: ~Copyable {
  let upstreamModel: String?
  private let out = ByteQueue()
  private var held: [UInt8] = []
  private var position = 0

  init(upstreamModel: String?) {
    self.upstreamModel = upstreamModel
  }

  var text: String { String(decoding: out.readable, as: UTF8.self) }

  mutating func take(_ part: [UInt8], _ reader: RequestBodyReader, upTo settled: Int) {
    held += part
    guard settled > position else { return }
    let end = withBytes(held) { bytes in
      withBytes(upstreamModel ?? "") { model in
        reader.edits(mapsModel: upstreamModel != nil).write(
          bytes, from: position, to: settled, upstreamModel: model, into: out)
      }
    }
    held.removeFirst(end - position)
    position = end
  }
}

func read(_ body: String, endpoint: Endpoint = .chatCompletions, upstreamModel: String? = nil)
  -> RequestVerdict
{
  let bytes = Array(body.utf8)
  let whole = read([bytes], endpoint: endpoint, upstreamModel: upstreamModel)
  for cut in 0...bytes.count {
    let split = read(
      pieces(of: bytes, cutAt: [cut]), endpoint: endpoint, upstreamModel: upstreamModel)
    #expect(split == whole, "cut at \(cut)")
  }
  return whole
}

@Suite("Request body reader")
struct RequestBodyReaderTests {
  @Test("the model, the flags and the bounds are read and the body goes on as it came")
  func facts() {
    let body =
      #"{"messages":[{"role":"user","content":"{\"model\":\"no\"}"}], "model" : "gpt-x","max_tokens":7,"n":2}"#
    let verdict = read(body)
    #expect(verdict.fault == "")
    #expect(verdict.model == "gpt-x")
    #expect(verdict.stream == false)
    #expect(verdict.bound == 7)
    #expect(verdict.choices == 2)
    #expect(verdict.forwarded == body)
  }

  @Test("the largest bound on output counts, under each of its names")
  func bounds() {
    #expect(read(#"{"model":"m","max_tokens":5,"max_completion_tokens":9}"#).bound == 9)
    #expect(read(#"{"model":"m","max_output_tokens":11}"#, endpoint: .responses).bound == 11)
    #expect(read(#"{"model":"m","max_tokens":null}"#).bound == nil)
  }

  @Test("a model is known by its characters, escaped or not")
  func escapedModel() {
    let verdict = read(#"{"mod\u0065l":"gpt\u002dx\/\ud83d\ude00"}"#, upstreamModel: "y")
    #expect(verdict.model == "gpt-x/😀")
    #expect(verdict.forwarded == #"{"mod\u0065l":"y"}"#)
  }

  @Test("a mapped model replaces the client's name and nothing else, escaped as JSON needs it")
  func mappedModel() {
    let body = #"{ "a": [1, 2.50],"model":"short" , "z":"\u00e9" }"#
    #expect(
      read(body, upstreamModel: "a/much-longer-name").forwarded
        == #"{ "a": [1, 2.50],"model":"a/much-longer-name" , "z":"\u00e9" }"#)
    #expect(
      read(body, upstreamModel: "q\"b\\\n").forwarded
        == #"{ "a": [1, 2.50],"model":"q\"b\\\u000a" , "z":"\u00e9" }"#)
  }

  @Test(
    "a streamed request asks the upstream for usage",
    arguments: [
      (
        #"{"model":"m","stream":true}"#,
        #"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#
      ),
      (
        #"{"model":"m","stream":true }"#,
        #"{"model":"m","stream":true ,"stream_options":{"include_usage":true}}"#
      ),
      (
        #"{"stream_options":{},"stream":true,"model":"m"}"#,
        #"{"stream_options":{"include_usage":true},"stream":true,"model":"m"}"#
      ),
      (
        #"{"stream_options":{"x":[1]},"stream":true,"model":"m"}"#,
        #"{"stream_options":{"x":[1],"include_usage":true},"stream":true,"model":"m"}"#
      ),
      (
        #"{"stream_options":{"include_usage":false,"x":1},"stream":true,"model":"m"}"#,
        #"{"stream_options":{"include_usage":true,"x":1},"stream":true,"model":"m"}"#
      ),
      (
        #"{"stream_options":{"include_usage": null},"stream":true,"model":"m"}"#,
        #"{"stream_options":{"include_usage": true},"stream":true,"model":"m"}"#
      ),
      (
        #"{"model":"m","stream_options":null,"stream":true}"#,
        #"{"model":"m","stream_options":{"include_usage":true},"stream":true}"#
      ),
    ])
  func asksForUsage(body: String, forwarded: String) {
    let verdict = read(body)
    #expect(verdict.fault == "")
    #expect(verdict.forwarded == forwarded)
    #expect(verdict.includeUsage == false)
    #expect(read(body, endpoint: .completions).forwarded == forwarded)
  }

  @Test("both edits fit into one body, in either order")
  func bothEdits() {
    #expect(
      read(#"{"model":"m","stream":true}"#, upstreamModel: "other").forwarded
        == #"{"model":"other","stream":true,"stream_options":{"include_usage":true}}"#)
    #expect(
      read(#"{"stream_options":{},"stream":true,"model":"m"}"#, upstreamModel: "other").forwarded
        == #"{"stream_options":{"include_usage":true},"stream":true,"model":"other"}"#)
  }

  @Test(
    "a body that needs no edit is left alone",
    arguments: [
      (#"{"model":"m","stream":false,"stream_options":{}}"#, Endpoint.chatCompletions),
      (#"{"model":"m"}"#, .chatCompletions),
      (#"{"model":"m","stream":null}"#, .chatCompletions),
      (#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#, .chatCompletions),
      (#"{"model":"m","stream":true}"#, .messages),
      (#"{"model":"m","stream":true,"stream_options":7}"#, .responses),
      (#"{"model":"m","stream":"not ours"}"#, .embeddings),
    ])
  func untouched(body: String, endpoint: Endpoint) {
    #expect(read(body, endpoint: endpoint).forwarded == body)
  }

  @Test(
    "what cannot be served is refused with the reason and the parameter",
    arguments: [
      ("", "unexpected end", ""),
      ("  \n", "unexpected end", ""),
      ("\u{FEFF}{\"model\":\"m\"}", "expected a value", ""),
      (#"{"model":"m"} x"#, "unexpected data after the end", ""),
      (#"{"model":"m""#, "unexpected end", ""),
      (#"["model"]"#, "the body must be a JSON object", ""),
      (#""model""#, "the body must be a JSON object", ""),
      ("7", "the body must be a JSON object", ""),
      ("{}", "model is required", "model"),
      (#"{"messages":[]}"#, "model is required", "model"),
      (#"{"model":7}"#, "model must be a string", "model"),
      (#"{"model":null}"#, "model must be a string", "model"),
      (#"{"model":["m"]}"#, "model must be a string", "model"),
      (#"{"model":""}"#, "model is empty", "model"),
      (#"{"model":"a","model":"b"}"#, "the parameter is given twice", "model"),
      (#"{"model":"a","mod\u0065l":"a"}"#, "the parameter is given twice", "model"),
      (#"{"model":"m","stream":"true"}"#, "stream must be true or false", "stream"),
      (#"{"model":"m","stream":{}}"#, "stream must be true or false", "stream"),
      (#"{"model":"m","stream":true,"stream":false}"#, "the parameter is given twice", "stream"),
      (#"{"model":"m","stream_options":[]}"#, "stream_options must be an object", "stream_options"),
      (#"{"model":"m","stream_options":1}"#, "stream_options must be an object", "stream_options"),
      (
        #"{"model":"m","stream_options":{},"stream_options":{}}"#, "the parameter is given twice",
        "stream_options"
      ),
      (
        #"{"model":"m","stream_options":{"include_usage":1}}"#,
        "include_usage must be true or false",
        "stream_options.include_usage"
      ),
      (
        #"{"model":"m","max_tokens":-1}"#,
        "the parameter must be a whole number that is not negative", "max_tokens"
      ),
      (#"{"model":"m","n":1.5}"#, "the parameter must be a whole number that is not negative", "n"),
      (
        #"{"model":"m","n":99999999999999999999}"#,
        "the parameter must be a whole number that is not negative", "n"
      ),
    ])
  func refusals(body: String, reason: String, parameter: String) {
    let verdict = read(body)
    #expect(verdict.fault == reason)
    #expect(verdict.parameter == parameter)
  }

  @Test("a model name of 256 bytes passes and one of 257 is refused")
  func longModel() {
    let name = String(repeating: "m", count: 256)
    #expect(read([Array("{\"model\":\"\(name)\"}".utf8)]).model == name)
    #expect(
      read([Array("{\"model\":\"\(name)m\"}".utf8)]).fault == "model is longer than 256 bytes")
  }
}
