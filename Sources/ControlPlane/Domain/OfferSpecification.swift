// An offer as operators declare it, checked: a model as one upstream serves it, and its price.

import AdminAPI
import StraitProtocol

extension Dialect {
  /// The word that operators write.
  package var word: String {
    switch self {
    case .openAI: "openai"
    case .anthropic: "anthropic"
    }
  }

  package init?(word: String) {
    guard let dialect = Dialect.allCases.first(where: { $0.word == word }) else { return nil }
    self = dialect
  }
}

package struct OfferSpecification: Sendable {
  package let model: ModelName
  /// A name or an id.
  package let upstream: String
  package let upstreamModel: ModelName
  package let dialect: Dialect
  package let weight: Int32
  package let prices: TokenPrices

  package static let defaultWeight = 100
  package static let maximumWeight = 10_000
  /// One USD a token, in micro-USD per million tokens: no provider is near it, and costs stay far inside Int64.
  package static let maximumPrice: Int64 = 1_000_000_000_000

  package init(_ request: OfferRequest) throws(Refusal) {
    model = try ModelName(request.model)
    upstream = request.upstream
    upstreamModel = try request.upstreamModel.map { text throws(Refusal) in try ModelName(text) } ?? model
    guard let dialect = Dialect(word: request.dialect) else {
      throw .invalid("\(quoted(request.dialect)) is not a known dialect", hint: "use openai or anthropic")
    }
    self.dialect = dialect
    let weight = request.weight ?? Self.defaultWeight
    guard (0...Self.maximumWeight).contains(weight) else {
      throw .invalid(
        "the weight is \(weight)", hint: "use a number from 0 to \(Self.maximumWeight); higher goes first")
    }
    self.weight = Int32(weight)
    prices = TokenPrices(
      input: try Self.price(request.inputPrice, "input_price"),
      cachedInput: try Self.price(request.cachedInputPrice ?? request.inputPrice, "cached_input_price"),
      cacheWrite: try Self.price(request.cacheWritePrice ?? request.inputPrice, "cache_write_price"),
      output: try Self.price(request.outputPrice, "output_price"))
  }

  private static func price(_ value: Int64, _ name: String) throws(Refusal) -> Int64 {
    guard (0...maximumPrice).contains(value) else {
      throw .invalid(
        "\(name) is \(value)",
        hint:
          "give micro-USD per million tokens, from 0 to \(maximumPrice); 1.25 USD per million tokens is 1250000"
      )
    }
    return value
  }
}

extension OfferSpecification {
  /// An offer as it is to be: what stands, and what the request changes of it.
  package init(_ standing: OfferSummary, changing request: OfferChangeRequest) throws(Refusal) {
    try self.init(
      OfferRequest(
        model: standing.model, upstream: standing.upstream,
        upstreamModel: request.upstreamModel ?? standing.upstreamModel, dialect: standing.dialect,
        weight: request.weight ?? standing.weight, inputPrice: request.inputPrice ?? standing.inputPrice,
        outputPrice: request.outputPrice ?? standing.outputPrice,
        cachedInputPrice: request.cachedInputPrice ?? standing.cachedInputPrice,
        cacheWritePrice: request.cacheWritePrice ?? standing.cacheWritePrice))
  }
}
