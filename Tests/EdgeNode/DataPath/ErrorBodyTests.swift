import EdgeDataPath
import Foundation
import StraitProtocol
import Testing

private let requestID = ExchangeID(high: 0x0190_0000_0000_7000, low: 0x8000_0000_0000_0001)

private func object(_ bytes: String) throws -> [String: Any] {
  try #require(try JSONSerialization.jsonObject(with: Data(bytes.utf8)) as? [String: Any])
}

private func body(_ fault: EdgeFault, _ dialect: Dialect) -> String {
  let out = ByteQueue()
  ErrorBody.append(fault, dialect: dialect, requestID: requestID, into: out)
  return text(of: out)
}

private func bodyFault(_ body: String) -> EdgeFault {
  var reader = RequestBodyReader(endpoint: .chatCompletions)
  withBytes(body) { _ = reader.consume($0) }
  guard case .invalid(let fault) = reader.finish() else { return .badRequest }
  return .body(fault)
}

private func withFaults(_ check: (EdgeFault) throws -> Void) rethrows {
  let hostile: [UInt8] =
    Array("q\"\\\n\u{1}é".utf8) + [0xFF] + Array(repeating: UInt8(ascii: "x"), count: 400)
  try hostile.withUnsafeBytes { name in
    let faults: [EdgeFault] = [
      .badRequest, .headTooLarge, .missingKey, .malformedKey, .unknownKey, .unknownPath,
      .methodNotAllowed(allow: "POST"),
      .unsupportedContentType, .unsupportedContentEncoding, .bodyTooLarge(limit: 10),
      bodyFault("{\"model\" 1}"), bodyFault("{}"), bodyFault("{\"model\":1}"), .modelNotFound(name),
      .modelInOtherDialect(name), .requestTimeout, .noOffer,
      .upstreamUnreachable,
      .upstreamTimeout, .upstreamCut, .upstreamMalformed, .exchangeTimeout, .overloaded, .draining, .notReady,
      .staleConfiguration,
    ]
    for fault in faults { try check(fault) }
  }
}

@Suite("Error bodies")
struct ErrorBodyTests {
  @Test("every fault is an OpenAI error with a message, a type, a parameter and a code")
  func openAI() throws {
    try withFaults { fault in
      let error = try #require(try object(body(fault, .openAI))["error"] as? [String: Any])
      let message = try #require(error["message"] as? String)
      #expect(message.count > 20)
      #expect(message.first?.isLowercase == true && message.last != ".")
      #expect(error["type"] is String)
      #expect(Set(error.keys) == ["message", "type", "param", "code"])
    }
  }

  @Test("every fault is an Anthropic error with a type, a message and the request's id")
  func anthropic() throws {
    try withFaults { fault in
      let answer = try object(body(fault, .anthropic))
      #expect(answer["type"] as? String == "error")
      #expect(answer["request_id"] as? String == requestID.description)
      let error = try #require(answer["error"] as? [String: Any])
      #expect(Set(error.keys) == ["message", "type"])
    }
  }

  @Test("the well-known faults have the statuses, types and codes that SDKs know")
  func wellKnown() throws {
    let key = try #require(try object(body(.unknownKey, .openAI))["error"] as? [String: Any])
    #expect(EdgeFault.unknownKey.status == 401)
    #expect(key["type"] as? String == "invalid_request_error")
    #expect(key["code"] as? String == "invalid_api_key")
    try withBytes("nope") { name in
      let model = try #require(try object(body(.modelNotFound(name), .openAI))["error"] as? [String: Any])
      #expect(EdgeFault.modelNotFound(name).status == 404)
      #expect(model["code"] as? String == "model_not_found")
      #expect(model["param"] as? String == "model")
      #expect((model["message"] as? String)?.contains("'nope'") == true)
    }
    func type(_ fault: EdgeFault) throws -> String? {
      (try object(body(fault, .anthropic))["error"] as? [String: Any])?["type"] as? String
    }
    #expect(try type(.missingKey) == "authentication_error")
    #expect(try type(.unknownPath) == "not_found_error")
    #expect(try type(.bodyTooLarge(limit: 1)) == "request_too_large")
    #expect(try type(.upstreamTimeout) == "timeout_error")
    #expect(try type(.overloaded) == "overloaded_error")
    #expect(try type(.upstreamCut) == "api_error")
  }

  @Test("a client's model name is repeated in part only, escaped and repaired")
  func hostileName() throws {
    let name = Array("a\"b\u{1}".utf8) + [0xFF] + Array(repeating: UInt8(ascii: "x"), count: 400)
    let text = name.withUnsafeBytes { body(.modelNotFound($0), .openAI) }
    let message = try #require((try object(text)["error"] as? [String: Any])?["message"] as? String)
    #expect(message.contains("'a\"b\u{1}\u{FFFD}xxx"))
    #expect(message.contains("…'"))
    #expect(text.utf8.count < 500)
  }

  @Test("events end a stream in each dialect's own way")
  func events() throws {
    func event(_ dialect: Dialect, _ endpoint: Endpoint) -> String {
      let out = ByteQueue()
      ErrorBody.appendEvent(
        .upstreamCut, dialect: dialect, endpoint: endpoint, requestID: requestID, into: out)
      return text(of: out)
    }
    for (endpoint, dialect) in [
      (Endpoint.chatCompletions, Dialect.openAI), (.responses, .openAI), (.messages, .anthropic),
    ] {
      let verdict = readAnswer([Array(event(dialect, endpoint).utf8)], endpoint)
      #expect(verdict.sawError)
      #expect(verdict.step == .more)
      #expect(verdict.out.hasSuffix("\n\n"))
    }
    #expect(event(.openAI, .chatCompletions).hasPrefix("data: {\"error\":{"))
    #expect(event(.openAI, .responses).hasPrefix("event: error\ndata: {\"type\":\"error\","))
    #expect(event(.anthropic, .messages).hasPrefix("event: error\ndata: {\"type\":\"error\",\"error\":{"))
  }

  @Test("faults that a retry cannot help say so, and capacity says when")
  func retries() {
    withFaults { fault in
      switch fault.status {
      case 408, 502, 503, 504: #expect(fault.retry != .never)
      default: #expect(fault.retry == .never)
      }
    }
    #expect(EdgeFault.overloaded.retry == .after(seconds: 1))
  }

  @Test("every fault has a counter of its own with a word")
  func counters() {
    var seen = Set<UInt8>()
    withFaults { seen.insert($0.counterIndex) }
    #expect(seen.count == EdgeFault.counterWords.count)
    #expect(seen.min() == UInt8(EdgeFault.firstCounterIndex))
    #expect(Int(seen.max() ?? 0) == EdgeFault.firstCounterIndex + EdgeFault.counterWords.count - 1)
    #expect(
      EdgeFault.counterWords[Int(EdgeFault.draining.counterIndex) - EdgeFault.firstCounterIndex] == "draining"
    )
  }
}
