// Reads one JSON document that an upstream sent (a whole answer, or one event of a streamed one) and notes what the edge
// has to know of it.

/// What one document says.
struct AnswerFacts: Sendable {
  /// The kinds of events that change what the edge does.
  enum DocumentType: UInt8 { case other, error, terminal, failed }

  var usage = UsageFields()
  /// There is a `usage` object, at any of its places.
  var hasUsage = false
  /// Where the top-level `usage` stands, null or not.
  var usageStart = 0
  var usageEnd = 0
  var usageIsFirst = false
  var hasUsageMember = false
  /// A second one follows the first.
  var hasUsageTwice = false
  /// `choices` is there and has nothing in it.
  var hasEmptyChoices = false
  /// There is an `error` that is not null, false, zero or empty.
  var hasError = false
  var type = DocumentType.other
  /// The model said something: text, a tool call, or what we do not know.
  var hasContent = false
  /// Bytes of text, tool arguments and reasoning.
  var contentBytes = 0
}

struct AnswerScanner: Sendable {
  private(set) var facts = AnswerFacts()
  private var scanner = JSONScanner(schema: .answer)

  var fault: JSONFault { scanner.fault }
  /// The document went wrong because it ended too early.
  private(set) var isTruncated = false

  /// Makes the scanner ready for the next document.
  mutating func begin() {
    facts = AnswerFacts()
    scanner.reset()
  }

  /// - Parameter base: the offset of `bytes[0]` in the caller's count, in which places are noted
  /// - Returns: whether the document is good so far
  @inline(__always)
  mutating func feed(_ bytes: UnsafeRawBufferPointer, base: Int) -> Bool {
    var position = 0
    while true {
      switch scanner.scan(bytes, from: &position, base: base) {
      case .more: return true
      case .began: noteBeginning()
      case .ended: noteEnd()
      case .invalid: return false
      }
    }
  }

  /// - Returns: whether the document is whole
  mutating func finish(at offset: Int) -> Bool {
    if scanner.finish(at: offset) == .more { return true }
    isTruncated = scanner.fault.offset == offset
    return false
  }

  private mutating func noteBeginning() {
    switch scanner.node {
    case .usage:
      if scanner.kind == .object { facts.hasUsage = true }
      if scanner.namedDepth == 2 { noteUsageMember() }
    case .text, .otherDelta: facts.hasContent = true
    default: break
    }
  }

  private mutating func noteEnd() {
    switch scanner.node {
    case .text, .otherDelta, .delta: noteContent()
    case .toolCalls: if !scanner.isEmpty { facts.hasContent = true }
    case .choices: facts.hasEmptyChoices = scanner.kind == .array && scanner.isEmpty
    case .usage: noteUsageEnd()
    case .error: facts.hasError = isTruthy
    case .type: noteType()
    case .inputTokens, .outputTokens, .cachedTokens, .cacheReadTokens, .cacheWriteTokens, .reasoningTokens:
      if scanner.kind == .number, scanner.isInteger { facts.usage.set(scanner.node, scanner.integer) }
    default: break
    }
  }

  private mutating func noteContent() {
    switch scanner.kind {
    case .string:
      if scanner.node != .otherDelta { facts.contentBytes &+= scanner.text.count }
      if scanner.text.count > 0 { facts.hasContent = true }
    case .number, .yes, .no: facts.hasContent = true
    case .object, .array, .null: break
    }
  }

  private mutating func noteUsageMember() {
    facts.hasUsageTwice = facts.hasUsageMember
    facts.hasUsageMember = true
    facts.usageStart = scanner.memberStart
    facts.usageIsFirst = scanner.memberIsFirst
  }

  private mutating func noteUsageEnd() {
    guard scanner.namedDepth == 1 else { return }
    let isContainer = scanner.kind == .object || scanner.kind == .array
    if !isContainer { noteUsageMember() }
    facts.usageEnd = scanner.end
  }

  private mutating func noteType() {
    guard scanner.kind == .string else { return }
    facts.type = scanner.text.withBytes { name in
      switch name.count {
      case 5: name.equals("error") ? .error : .other
      case 12: name.equals("message_stop") ? .terminal : .other
      case 15: name.equals("response.failed") ? .failed : .other
      case 18: name.equals("response.completed") ? .terminal : .other
      case 19: name.equals("response.incomplete") ? .terminal : .other
      default: .other
      }
    }
  }

  /// As the official SDKs judge an `error` member.
  private var isTruthy: Bool {
    switch scanner.kind {
    case .object, .array: !scanner.isEmpty
    case .string: scanner.text.count > 0
    case .number: !(scanner.isInteger && scanner.integer == 0)
    case .yes: true
    case .no, .null: false
    }
  }
}
