// What the parsers cost: the best of many rounds, each too short to be interrupted often, over one input that stays in
// the cache.

import EdgeDataPath
import Glibc
import StraitProtocol

func measureParsers() {
  measureRequestReader()
  measureEventStreams()
  measureHeads()
  measureDocuments()
}

/// Prints nanoseconds per call.
func measure(_ name: String, bytes: Int, _ body: () -> Int) {
  var best = UInt64.max
  let calls = 200
  var kept = 0
  for _ in 0..<2_000 {
    let start = nanosecondsNow()
    for _ in 0..<calls { kept &+= body() }
    best = min(best, nanosecondsNow() - start)
  }
  let perCall = Double(best) / Double(calls)
  let rate = Double(bytes) / perCall
  print("\(name): \(Int(perCall)) ns for \(bytes) bytes, \(Int(rate * 1000)) MB/s (\(kept & 1))")
}

func nanosecondsNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func measureRequestReader() {
  let content = String(repeating: "The quick brown fox jumps over the lazy dog. ", count: 18)
  let body =
    #"{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You are helpful."},{"role":"user","content":""#
    + content + #""}],"temperature":0.7,"max_tokens":256,"stream":true}"#
  var text = body
  text.withUTF8 { utf8 in
    let bytes = UnsafeRawBufferPointer(utf8)
    measure("request body", bytes: bytes.count) {
      var reader = RequestBodyReader(endpoint: .chatCompletions)
      _ = reader.consume(bytes)
      _ = reader.finish()
      return reader.length
    }
    let out = ByteQueue()
    measure("request body, read and written with both edits", bytes: bytes.count) {
      var reader = RequestBodyReader(endpoint: .chatCompletions)
      _ = reader.consume(bytes)
      _ = reader.finish()
      withUnsafeBytes(of: UInt64(0x6161_6161_6161_6161)) { model in
        reader.edits(mapsModel: true).write(bytes, upstreamModel: model, into: out)
      }
      let count = out.count
      out.consume(count)
      return count
    }
  }
}

private func measureEventStreams() {
  let chunk =
    #"data: {"id":"chatcmpl-AbCdEf0123456789","object":"chat.completion.chunk","created":1730000000,"model":"gpt-4o","#
    + #""choices":[{"index":0,"delta":{"content":" hello"},"finish_reason":null}]"#
  measureStream("SSE event", event: chunk + "}\n\n", hideUsage: false)
  measureStream("SSE event, usage taken out", event: chunk + #","usage":null}"# + "\n\n", hideUsage: true)
  let delta =
    #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" hello world, how are you"}}"#
  measureStream(
    "SSE event, Anthropic", event: "event: content_block_delta\ndata: \(delta)\n\n", hideUsage: false,
    endpoint: .messages)
}

private func measureStream(
  _ name: String, event: String, hideUsage: Bool, endpoint: Endpoint = .chatCompletions
) {
  var text = event
  text.withUTF8 { utf8 in
    let bytes = UnsafeRawBufferPointer(utf8)
    var reader = ResponseReader(endpoint: endpoint, streamed: true, status: 200, hideUsage: hideUsage)
    let out = ByteQueue()
    measure(name, bytes: bytes.count) {
      _ = reader.consume(bytes, into: out)
      let count = out.count
      out.consume(count)
      return count
    }
    let half = bytes.count / 2
    measure(name + ", in two pieces", bytes: bytes.count) {
      _ = reader.consume(UnsafeRawBufferPointer(rebasing: bytes[..<half]), into: out)
      _ = reader.consume(UnsafeRawBufferPointer(rebasing: bytes[half...]), into: out)
      let count = out.count
      out.consume(count)
      return count
    }
  }
}

private func measureHeads() {
  let fields = [
    "POST /v1/chat/completions HTTP/1.1", "Host: edge.example.com:8443", "Accept-Encoding: gzip, deflate",
    "Connection: keep-alive", "Accept: application/json", "Content-Type: application/json",
    "User-Agent: OpenAI/Python 3.3.0", "X-Stainless-Lang: python", "X-Stainless-Package-Version: 3.3.0",
    "X-Stainless-OS: Linux", "X-Stainless-Arch: x64", "X-Stainless-Runtime: CPython",
    "X-Stainless-Runtime-Version: 3.11.2", "Authorization: Bearer " + String(repeating: "k", count: 72),
    "X-Stainless-Async: false", "x-stainless-retry-count: 0", "x-stainless-read-timeout: 600",
    "Content-Length: 1024",
  ]
  var text = fields.joined(separator: "\r\n") + "\r\n\r\n"
  var head = HTTP1Head()
  text.withUTF8 { utf8 in
    let bytes = UnsafeRawBufferPointer(utf8)
    measure("HTTP/1.1 head, \(fields.count - 1) fields", bytes: bytes.count) {
      var parser = HTTP1HeadParser(kind: .request)
      _ = parser.parse(bytes, into: &head)
      return head.count
    }
  }
}

private func measureDocuments() {
  let numbers = (0..<1536).map { index in "\(Double(index) / 7919 - 0.1)" }.joined(separator: ",")
  var text = #"{"object":"list","data":[{"index":0,"embedding":[\#(numbers)]}],"usage":{"prompt_tokens":8}}"#
  let out = ByteQueue()
  text.withUTF8 { utf8 in
    let bytes = UnsafeRawBufferPointer(utf8)
    measure("embedding as numbers", bytes: bytes.count) {
      var reader = ResponseReader(endpoint: .embeddings, streamed: false, status: 200, hideUsage: false)
      _ = reader.consume(bytes, into: out)
      let count = out.count
      out.consume(count)
      return count
    }
  }
}
