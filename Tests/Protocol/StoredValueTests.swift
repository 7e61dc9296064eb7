import StraitProtocol
import Testing

/// These numbers stand in spools and in databases. A test that fails here means that stored records would be read as
/// something else: add a case with a new number instead.
@Suite("Stored values")
struct StoredValueTests {
  @Test("of outcomes never change, nor do the words that operators see")
  func outcomes() {
    let frozen: [(ExchangeOutcome, UInt8, String)] = [
      (.completed, 1, "completed"), (.upstreamError, 2, "upstream_error"),
      (.upstreamUnreachable, 3, "upstream_unreachable"), (.upstreamCut, 4, "upstream_cut"),
      (.upstreamMalformed, 5, "upstream_malformed"), (.upstreamTimeout, 6, "upstream_timeout"),
      (.clientGone, 7, "client_gone"), (.clientError, 8, "client_error"), (.edgeStopped, 9, "edge_stopped"),
      (.interrupted, 10, "interrupted"), (.keyRevoked, 11, "key_revoked"),
    ]
    for (outcome, number, word) in frozen {
      #expect(outcome.rawValue == number)
      #expect(outcome.word == word)
    }
    #expect(ExchangeOutcome.allCases.count == frozen.count)
  }

  @Test("of endpoints never change, nor do their paths and dialects")
  func endpoints() {
    let frozen: [(Endpoint, UInt8, String, Dialect)] = [
      (.chatCompletions, 1, "/v1/chat/completions", .openAI), (.completions, 2, "/v1/completions", .openAI),
      (.responses, 3, "/v1/responses", .openAI), (.embeddings, 4, "/v1/embeddings", .openAI),
      (.messages, 5, "/v1/messages", .anthropic), (.countTokens, 6, "/v1/messages/count_tokens", .anthropic),
      (.models, 7, "/v1/models", .openAI),
    ]
    for (endpoint, number, path, dialect) in frozen {
      #expect(endpoint.rawValue == number)
      #expect(endpoint.path.description == path)
      #expect(endpoint.dialect == dialect)
    }
    #expect(Endpoint.allCases.count == frozen.count)
  }

  @Test("of dialects, protocols and sources of usage never change")
  func others() {
    #expect(Dialect.allCases.map(\.rawValue) == [1, 2])
    #expect(Dialect.openAI.rawValue == 1 && Dialect.anthropic.rawValue == 2)
    #expect(ClientProtocol.http1.rawValue == 11 && ClientProtocol.http2.rawValue == 20)
    #expect(UsageSource.none.rawValue == 1 && UsageSource.provider.rawValue == 2)
    #expect(UsageSource.estimated.rawValue == 3)
  }

  @Test("that nobody has given a meaning are no values")
  func unknown() {
    #expect(ExchangeOutcome(rawValue: 0) == nil && ExchangeOutcome(rawValue: 12) == nil)
    #expect(Endpoint(rawValue: 0) == nil && Endpoint(rawValue: 8) == nil)
    #expect(
      Dialect(rawValue: 0) == nil && UsageSource(rawValue: 0) == nil && ClientProtocol(rawValue: 0) == nil)
  }

  @Test("Dialects on the control link have the numbers that they have in records")
  func wireDialects() {
    #expect(WireDialect.openai.rawValue == Int(Dialect.openAI.rawValue))
    #expect(WireDialect.anthropic.rawValue == Int(Dialect.anthropic.rawValue))
  }
}
