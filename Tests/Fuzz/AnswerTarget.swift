// Answers in one document: they pass byte for byte whatever they hold, and are whole when they are JSON.

@testable import EdgeDataPath
import StraitProtocol

enum AnswerTarget {
  static func run(_ input: FuzzInput) {
    let endpoint = input.choice(of: [
      Endpoint.chatCompletions, .completions, .responses, .messages, .embeddings, .countTokens,
    ])
    var first: AnswerVerdict?
    input.forEachPartition { pieces in
      let verdict = AnswerVerdict(pieces, endpoint)
      expectEqual(verdict.out, input.bytes, "an answer passes as it is")
      if let first { expectEqual(verdict, first, "an answer that comes in pieces is the same answer") }
      first = first ?? verdict
    }
    guard let verdict = first else { return }
    let tree = JSONTree(parsing: input.bytes)
    expectEqual(verdict.end == .complete, tree != nil, "an answer is whole when it is JSON")
    guard let tree else { return }
    let facts = ReferenceFacts(tree)
    expectEqual(
      verdict.tokens, facts.usage.counts(of: endpoint.dialect), "the counts are those of the document")
    expectEqual(verdict.sawError, facts.hasError, "an error is seen")
  }
}

private struct AnswerVerdict: Equatable {
  var out = [UInt8]()
  var end = ResponseEnd.complete
  var tokens = TokenCounts()
  var sawError = false
  var sawContent = false
  var outputBytes: UInt64 = 0

  init(_ pieces: [Piece], _ endpoint: Endpoint) {
    var reader = ResponseReader(endpoint: endpoint, streamed: false, status: 200, hideUsage: false)
    let queue = ByteQueue()
    for piece in pieces { _ = reader.consume(piece.bytes, into: queue) }
    end = reader.finish(into: queue)
    out = bytes(of: queue)
    tokens = reader.tokens
    if hasPlantedFault, end == .complete, out.count > 200 { tokens.input += 1 }
    sawError = reader.sawError
    sawContent = reader.sawContent
    outputBytes = reader.outputBytes
  }
}
