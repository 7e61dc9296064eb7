// Which members of a JSON document matter: a table from (where we are, key) to a named place. Everything that has no
// place here is validated and passed over without a report.

/// A place in a document that is worth a report.
package enum JSONNode: UInt8, Sendable, BitwiseCopyable {
  case none = 0
  case root
  // Requests.
  case model
  case stream
  case streamOptions
  case includeUsage
  case maxTokens
  case maxCompletionTokens
  case maxOutputTokens
  case choiceCount
  // Answers and the events of streamed answers.
  case type
  case error
  case choices
  case choice
  case delta
  case text
  case otherDelta
  case toolCalls
  case toolCall
  case function
  case contentBlocks
  case contentBlock
  case outputItems
  case outputItem
  case response
  case message
  // Counts.
  case usage
  case inputTokens
  case outputTokens
  case inputDetails
  case outputDetails
  case cachedTokens
  case reasoningTokens
  case cacheReadTokens
  case cacheWriteTokens
}

/// The kinds of documents that pass through an edge. One table serves every answer: the dialects use the same words for
/// the same things or words that do not collide.
package enum JSONSchema: UInt8, Sendable, BitwiseCopyable {
  case request
  case answer

  func node(under parent: JSONNode, key: UnsafeRawBufferPointer) -> JSONNode {
    switch self {
    case .request: Self.requestNode(under: parent, key: key)
    case .answer: Self.answerNode(under: parent, key: key)
    }
  }

  /// The place of an array's elements.
  func element(of parent: JSONNode) -> JSONNode {
    switch parent {
    case .choices: .choice
    case .toolCalls: .toolCall
    case .contentBlocks: .contentBlock
    case .outputItems: .outputItem
    default: .none
    }
  }

  private static func requestNode(under parent: JSONNode, key: UnsafeRawBufferPointer) -> JSONNode {
    if parent == .streamOptions { return key.spells("include_usage") ? .includeUsage : .none }
    guard parent == .root else { return .none }
    switch key.count {
    case 1: return key.spells("n") ? .choiceCount : .none
    case 5: return key.spells("model") ? .model : .none
    case 6: return key.spells("stream") ? .stream : .none
    case 10: return key.spells("max_tokens") ? .maxTokens : .none
    case 14: return key.spells("stream_options") ? .streamOptions : .none
    case 17: return key.spells("max_output_tokens") ? .maxOutputTokens : .none
    case 21: return key.spells("max_completion_tokens") ? .maxCompletionTokens : .none
    default: return .none
    }
  }

  private static func answerNode(under parent: JSONNode, key: UnsafeRawBufferPointer) -> JSONNode {
    switch parent {
    case .root: rootNode(key)
    case .choice: choiceNode(key)
    case .delta: deltaNode(key)
    case .usage: usageNode(key)
    case .inputDetails: inputDetailsNode(key)
    case .outputDetails: key.spells("reasoning_tokens") ? .reasoningTokens : .none
    case .message, .response: key.spells("usage") ? .usage : .none
    case .toolCall: key.spells("function") ? .function : .none
    case .function: key.spells("arguments") ? .text : .none
    case .contentBlock: key.spells("text") || key.spells("thinking") ? .text : .none
    case .outputItem: key.spells("content") ? .contentBlocks : .none
    default: .none
    }
  }

  private static func rootNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 4: return key.spells("type") ? .type : .none
    case 5:
      if key.spells("usage") { return .usage }
      if key.spells("delta") { return .delta }
      return key.spells("error") ? .error : .none
    case 6: return key.spells("output") ? .outputItems : .none
    case 7:
      if key.spells("choices") { return .choices }
      if key.spells("message") { return .message }
      return key.spells("content") ? .contentBlocks : .none
    case 8: return key.spells("response") ? .response : .none
    default: return .none
    }
  }

  private static func choiceNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 4: key.spells("text") ? .text : .none
    case 5: key.spells("delta") ? .delta : .none
    case 7: key.spells("message") ? .delta : .none
    default: .none
    }
  }

  /// What a model said, in any dialect. A member that we do not know is output too; a role, a type or why it stopped is not.
  private static func deltaNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 4:
      if key.spells("text") { return .text }
      return key.spells("role") || key.spells("type") ? .none : .otherDelta
    case 7: return key.spells("content") || key.spells("refusal") ? .text : .otherDelta
    case 8: return key.spells("thinking") ? .text : .otherDelta
    case 9: return key.spells("reasoning") ? .text : .otherDelta
    case 10: return key.spells("tool_calls") ? .toolCalls : .otherDelta
    case 11: return key.spells("stop_reason") ? .none : .otherDelta
    case 12: return key.spells("partial_json") ? .text : .otherDelta
    case 13:
      if key.spells("function_call") { return .function }
      return key.spells("stop_sequence") ? .none : .otherDelta
    case 17: return key.spells("reasoning_content") ? .text : .otherDelta
    default: return .otherDelta
    }
  }

  private static func usageNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 12: return key.spells("input_tokens") ? .inputTokens : .none
    case 13:
      if key.spells("prompt_tokens") { return .inputTokens }
      return key.spells("output_tokens") ? .outputTokens : .none
    case 17: return key.spells("completion_tokens") ? .outputTokens : .none
    case 20: return key.spells("input_tokens_details") ? .inputDetails : .none
    case 21:
      if key.spells("prompt_tokens_details") { return .inputDetails }
      return key.spells("output_tokens_details") ? .outputDetails : .none
    case 23: return key.spells("cache_read_input_tokens") ? .cacheReadTokens : .none
    case 25: return key.spells("completion_tokens_details") ? .outputDetails : .none
    case 27: return key.spells("cache_creation_input_tokens") ? .cacheWriteTokens : .none
    default: return .none
    }
  }

  private static func inputDetailsNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 13: key.spells("cached_tokens") ? .cachedTokens : .none
    case 18: key.spells("cache_write_tokens") ? .cacheWriteTokens : .none
    default: .none
    }
  }
}
