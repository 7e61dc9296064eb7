// The public endpoints of an edge and the dialect in which each speaks. Raw values are stored: they never change.

/// What a client can call below `/v1/`.
package enum Endpoint: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  case chatCompletions = 1
  case completions = 2
  case responses = 3
  case embeddings = 4
  case messages = 5
  case countTokens = 6
  case models = 7

  /// The path that an upstream knows, from `/v1/` on.
  package var path: StaticString {
    switch self {
    case .chatCompletions: "/v1/chat/completions"
    case .completions: "/v1/completions"
    case .responses: "/v1/responses"
    case .embeddings: "/v1/embeddings"
    case .messages: "/v1/messages"
    case .countTokens: "/v1/messages/count_tokens"
    case .models: "/v1/models"
    }
  }

  package var dialect: Dialect {
    switch self {
    case .messages, .countTokens: .anthropic
    default: .openAI
    }
  }
}

/// The family of request, answer and error shapes.
package enum Dialect: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  case openAI = 1
  case anthropic = 2
}
