// Reads what the edge has to know from a client's JSON body as it comes: the model, whether the answer is to be
// streamed, and the bounds for a reservation. The body itself stays where it is and is passed on byte for byte, but for
// the edits in BodyEdits.swift.

import StraitProtocol

/// Why a request's body cannot be served.
package struct BodyFault: Sendable {
  package enum Kind: UInt8, Sendable {
    /// The body is not a JSON document.
    case invalidJSON
    /// A parameter that is needed is not there.
    case missingParameter
    /// A parameter has a value that it cannot have, or stands there twice.
    case invalidParameter
  }

  package var kind: Kind
  /// What is wrong, for the client to read; holds nothing of what was sent.
  package var reason: StaticString
  /// The parameter concerned; empty for none.
  package var parameter: StaticString
  /// Bytes from the body's start.
  package var offset: Int
}

package enum RequestProgress: Sendable {
  /// Good so far, and with `finish`: good.
  case more
  /// The request has to be refused. Said again on every later call.
  case invalid(BodyFault)
}

package struct RequestBodyReader: Sendable {
  package let endpoint: Endpoint
  /// Bytes consumed.
  package private(set) var length = 0

  /// Where the value of `model` stands in the body, quotes included.
  package private(set) var modelRange = 0..<0
  package private(set) var stream = false
  /// The client asked for usage in its stream by itself.
  package private(set) var includeUsage = false
  /// The largest bound that the client set on the answer's tokens.
  package private(set) var maxOutputTokens: UInt64?
  /// How many answers the client asked for (`n`).
  package private(set) var choiceCount: UInt64 = 1

  private(set) var streamOptions = ValuePlace()
  private(set) var usageMember = ValuePlace()
  /// Where the body's last brace stands.
  private(set) var rootEnd = 0

  private var scanner = JSONScanner(schema: .request)
  private var model = InlineText()
  private var seen: UInt64 = 0
  private var fault: BodyFault?

  /// Where a value stands that may be edited.
  struct ValuePlace: Sendable {
    enum Shape: UInt8 { case absent, replaceable, object, emptyObject }
    var shape = Shape.absent
    var start = 0
    var end = 0
  }

  package init(endpoint: Endpoint) {
    self.endpoint = endpoint
  }

  /// `stream` was read: it can stand there only once.
  var knowsStream: Bool { seen & bit(of: .stream) != 0 }
  /// The key `stream_options` was read, and not yet its value.
  var isReadingStreamOptions: Bool { scanner.pending == .streamOptions }
  /// Where the member that is being read begins.
  var streamOptionsMember: Int { scanner.memberStart }

  /// Lends the decoded model name. Empty until it was read.
  @inline(__always)
  package borrowing func withModel<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    model.withBytes(body)
  }

  /// Reads the next bytes of the body, split anywhere.
  package mutating func consume(_ bytes: UnsafeRawBufferPointer) -> RequestProgress {
    if let fault { return .invalid(fault) }
    var position = 0
    while true {
      switch scanner.scan(bytes, from: &position, base: length) {
      case .more:
        length += bytes.count
        return .more
      case .began: noteBeginning()
      case .ended: noteEnd()
      case .invalid: noteInvalid()
      }
      if let fault { return .invalid(fault) }
    }
  }

  /// To be called after the body's last byte.
  /// - Returns: `more` when the body is whole and names a model
  package mutating func finish() -> RequestProgress {
    if let fault { return .invalid(fault) }
    if scanner.finish(at: length) == .invalid {
      noteInvalid()
    } else if rootEnd == 0 {
      refuse(.invalidParameter, "the body must be a JSON object", .root, at: 0)
    } else if modelRange.isEmpty {
      refuse(.missingParameter, "model is required", .model, at: 0)
    }
    if let fault { return .invalid(fault) }
    return .more
  }

  // MARK: What the scanner reports

  private mutating func noteBeginning() {
    guard isRead(scanner.node) else { return }
    switch scanner.node {
    case .root where scanner.kind == .object: return
    case .streamOptions where scanner.kind == .object:
      markSeen()
      streamOptions.start = scanner.start
    default: refuseType()
    }
  }

  private mutating func noteEnd() {
    let node = scanner.node
    guard isRead(node) else { return }
    if scanner.kind == .object {
      noteObject(node)
      return
    }
    markSeen()
    if fault != nil { return }
    switch node {
    case .model: readModel()
    case .stream: stream = readFlag()
    case .includeUsage:
      includeUsage = readFlag()
      usageMember = ValuePlace(shape: .replaceable, start: scanner.start, end: scanner.end)
    case .streamOptions where scanner.kind == .null:
      streamOptions = ValuePlace(shape: .replaceable, start: scanner.start, end: scanner.end)
    case .maxTokens, .maxCompletionTokens, .maxOutputTokens:
      if let bound = readCount() { maxOutputTokens = max(bound, maxOutputTokens ?? 0) }
    case .choiceCount:
      if let count = readCount() { choiceCount = count }
    default: refuseType()
    }
  }

  private mutating func noteObject(_ node: JSONNode) {
    if node == .root {
      rootEnd = scanner.end - 1
    } else if node == .streamOptions {
      streamOptions.shape = scanner.isEmpty ? .emptyObject : .object
      streamOptions.end = scanner.end
    }
  }

  private mutating func readModel() {
    guard scanner.kind == .string else { return refuseType() }
    if scanner.text.overflows {
      return refuse(.invalidParameter, "model is longer than 256 bytes", .model, at: scanner.start)
    }
    if scanner.text.count == 0 {
      return refuse(.invalidParameter, "model is empty", .model, at: scanner.start)
    }
    if !scanner.text.isUTF8 {
      return refuse(.invalidJSON, "a string is not UTF-8", .model, at: scanner.start)
    }
    model = scanner.text
    modelRange = scanner.start..<scanner.end
  }

  private mutating func readFlag() -> Bool {
    switch scanner.kind {
    case .yes: return true
    case .no, .null: return false
    default:
      refuseType()
      return false
    }
  }

  private mutating func readCount() -> UInt64? {
    if scanner.kind == .null { return nil }
    guard scanner.kind == .number, scanner.isInteger else {
      refuseType()
      return nil
    }
    return scanner.integer
  }

  /// Whether a parameter means anything on this endpoint. What we do not read is the upstream's to judge.
  private func isRead(_ node: JSONNode) -> Bool {
    switch node {
    case .root, .model: true
    case .stream, .maxTokens, .maxCompletionTokens, .maxOutputTokens: endpoint.generates
    case .streamOptions, .includeUsage, .choiceCount: endpoint.hidesUsage
    default: false
    }
  }

  // MARK: Refusals

  /// Of two values, another parser might take the one that we did not.
  private mutating func markSeen() {
    let bit = bit(of: scanner.node)
    if seen & bit != 0 {
      refuse(
        .invalidParameter, "the parameter is given twice", scanner.node, at: scanner.memberStart)
    }
    seen |= bit
  }

  private func bit(of node: JSONNode) -> UInt64 { 1 << UInt64(node.rawValue) }

  private mutating func refuseType() {
    let reason: StaticString =
      switch scanner.node {
      case .model: "model must be a string"
      case .stream: "stream must be true or false"
      case .streamOptions: "stream_options must be an object"
      case .includeUsage: "include_usage must be true or false"
      case .root: "the body must be a JSON object"
      default: "the parameter must be a whole number that is not negative"
      }
    refuse(.invalidParameter, reason, scanner.node, at: scanner.start)
  }

  private mutating func noteInvalid() {
    fault = BodyFault(
      kind: .invalidJSON, reason: scanner.fault.reason, parameter: "", offset: scanner.fault.offset)
  }

  @inline(never)
  private mutating func refuse(
    _ kind: BodyFault.Kind, _ reason: StaticString, _ node: JSONNode, at offset: Int
  ) {
    fault = BodyFault(kind: kind, reason: reason, parameter: node.parameter, offset: offset)
  }
}

extension JSONNode {
  /// The request's parameter as clients write it.
  fileprivate var parameter: StaticString {
    switch self {
    case .model: "model"
    case .stream: "stream"
    case .streamOptions: "stream_options"
    case .includeUsage: "stream_options.include_usage"
    case .maxTokens: "max_tokens"
    case .maxCompletionTokens: "max_completion_tokens"
    case .maxOutputTokens: "max_output_tokens"
    case .choiceCount: "n"
    default: ""
    }
  }
}

extension Endpoint {
  /// Answers with text that a model makes, streamed or not.
  var generates: Bool {
    switch self {
    case .chatCompletions, .completions, .responses, .messages: true
    case .embeddings, .countTokens, .models: false
    }
  }

  /// Streams tell usage only to those who ask for it.
  var hidesUsage: Bool { self == .chatCompletions || self == .completions }
}
