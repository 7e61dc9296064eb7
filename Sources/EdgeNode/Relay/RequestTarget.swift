// A request's path to an endpoint. A base URL may end in /v1 or not, because OpenAI's SDK adds nothing to it and
// Anthropic's adds /v1: both spellings of every endpoint lead to the same place.

import StraitProtocol

struct RequestTarget {
  let endpoint: Endpoint
  /// `/v1/models/{id}`: the id, still percent-encoded.
  let modelID: UnsafeRawBufferPointer?
  /// From the question mark on, or empty.
  let query: UnsafeRawBufferPointer

  /// nil for a path that the edge does not serve.
  init?(_ target: UnsafeRawBufferPointer) {
    var end = 0
    while end < target.count, target[end] != UInt8(ascii: "?") { end += 1 }
    query = UnsafeRawBufferPointer(rebasing: target[end...])
    var path = UnsafeRawBufferPointer(rebasing: target[..<end])
    while path.starts(with: "/v1/") { path = UnsafeRawBufferPointer(rebasing: path[3...]) }
    if path.count > 8, path.starts(with: "/models/") {
      endpoint = .models
      modelID = UnsafeRawBufferPointer(rebasing: path[8...])
      return
    }
    guard let endpoint = Self.endpoint(path) else { return nil }
    self.endpoint = endpoint
    modelID = nil
  }

  private static func endpoint(_ path: UnsafeRawBufferPointer) -> Endpoint? {
    switch path.count {
    case 7: path.equals("/models") ? .models : nil
    case 9: path.equals("/messages") ? .messages : nil
    case 10: path.equals("/responses") ? .responses : nil
    case 11: path.equals("/embeddings") ? .embeddings : nil
    case 12: path.equals("/completions") ? .completions : nil
    case 17: path.equals("/chat/completions") ? .chatCompletions : nil
    case 22: path.equals("/messages/count_tokens") ? .countTokens : nil
    default: nil
    }
  }
}

/// The bytes with %XX sequences replaced; nil where one is broken.
func percentDecoded(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
  var decoded = [UInt8]()
  decoded.reserveCapacity(bytes.count)
  var index = 0
  while index < bytes.count {
    guard bytes[index] == UInt8(ascii: "%") else {
      decoded.append(bytes[index])
      index += 1
      continue
    }
    guard index + 2 < bytes.count, let high = hexDigitValue(bytes[index + 1]),
      let low = hexDigitValue(bytes[index + 2])
    else { return nil }
    decoded.append(high << 4 | low)
    index += 3
  }
  return decoded
}

private func hexDigitValue(_ byte: UInt8) -> UInt8? {
  switch asciiLowercase(byte) {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): asciiLowercase(byte) - UInt8(ascii: "a") + 10
  default: nil
  }
}
