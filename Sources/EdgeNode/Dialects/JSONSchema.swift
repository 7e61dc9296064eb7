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
    if parent == .streamOptions { return key.equals("include_usage") ? .includeUsage : .none }
    guard parent == .root else { return .none }
    switch key.count {
    case 1: return key.equals("n") ? .choiceCount : .none
    case 5: return key.equals("model") ? .model : .none
    case 6: return key.equals("stream") ? .stream : .none
    case 10: return key.equals("max_tokens") ? .maxTokens : .none
    case 14: return key.equals("stream_options") ? .streamOptions : .none
    case 17: return key.equals("max_output_tokens") ? .maxOutputTokens : .none
    case 21: return key.equals("max_completion_tokens") ? .maxCompletionTokens : .none
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
    case .outputDetails: key.equals("reasoning_tokens") ? .reasoningTokens : .none
    case .message, .response: key.equals("usage") ? .usage : .none
    case .toolCall: key.equals("function") ? .function : .none
    case .function: key.equals("arguments") ? .text : .none
    case .contentBlock: key.equals("text") || key.equals("thinking") ? .text : .none
    case .outputItem: key.equals("content") ? .contentBlocks : .none
    default: .none
    }
  }

  private static func rootNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 4: return key.equals("type") ? .type : .none
    case 5:
      if key.equals("usage") { return .usage }
      if key.equals("delta") { return .delta }
      return key.equals("error") ? .error : .none
    case 6: return key.equals("output") ? .outputItems : .none
    case 7:
      if key.equals("choices") { return .choices }
      if key.equals("message") { return .message }
      return key.equals("content") ? .contentBlocks : .none
    case 8: return key.equals("response") ? .response : .none
    default: return .none
    }
  }

  private static func choiceNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 4: key.equals("text") ? .text : .none
    case 5: key.equals("delta") ? .delta : .none
    case 7: key.equals("message") ? .delta : .none
    default: .none
    }
  }

  /// What a model said, in any dialect. A member that we do not know is output too; a role, a type or why it stopped is not.
  private static func deltaNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 4:
      if key.equals("text") { return .text }
      return key.equals("role") || key.equals("type") ? .none : .otherDelta
    case 7: return key.equals("content") || key.equals("refusal") ? .text : .otherDelta
    case 8: return key.equals("thinking") ? .text : .otherDelta
    case 9: return key.equals("reasoning") ? .text : .otherDelta
    case 10: return key.equals("tool_calls") ? .toolCalls : .otherDelta
    case 11: return key.equals("stop_reason") ? .none : .otherDelta
    case 12: return key.equals("partial_json") ? .text : .otherDelta
    case 13:
      if key.equals("function_call") { return .function }
      return key.equals("stop_sequence") ? .none : .otherDelta
    case 17: return key.equals("reasoning_content") ? .text : .otherDelta
    default: return .otherDelta
    }
  }

  private static func usageNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 12: return key.equals("input_tokens") ? .inputTokens : .none
    case 13:
      if key.equals("prompt_tokens") { return .inputTokens }
      return key.equals("output_tokens") ? .outputTokens : .none
    case 17: return key.equals("completion_tokens") ? .outputTokens : .none
    case 20: return key.equals("input_tokens_details") ? .inputDetails : .none
    case 21:
      if key.equals("prompt_tokens_details") { return .inputDetails }
      return key.equals("output_tokens_details") ? .outputDetails : .none
    case 23: return key.equals("cache_read_input_tokens") ? .cacheReadTokens : .none
    case 25: return key.equals("completion_tokens_details") ? .outputDetails : .none
    case 27: return key.equals("cache_creation_input_tokens") ? .cacheWriteTokens : .none
    default: return .none
    }
  }

  private static func inputDetailsNode(_ key: UnsafeRawBufferPointer) -> JSONNode {
    switch key.count {
    case 13: key.equals("cached_tokens") ? .cachedTokens : .none
    case 18: key.equals("cache_write_tokens") ? .cacheWriteTokens : .none
    default: .none
    }
  }
}
