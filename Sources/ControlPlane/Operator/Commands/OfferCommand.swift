import AdminAPI
import ArgumentParser

struct OfferCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "offer", abstract: "Offers: models as upstreams serve them, with prices.",
    subcommands: [Add.self, List.self])

  struct Add: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Offer a model of an upstream.",
      discussion: "Prices are USD per million tokens, for example 0.15, exact to a millionth of a dollar.")

    enum DialectName: String, CaseIterable, ExpressibleByArgument {
      case openai, anthropic
    }

    @Argument(help: "The model's name for clients.")
    var model: String

    @Option(help: "The upstream that serves it, by name or id.")
    var upstream: String

    @Option(help: "The dialect that the upstream speaks.")
    var dialect: DialectName

    @Option(help: "The upstream's own name for the model, where it is another.")
    var upstreamModel: String?

    @Option(help: "The order among the offers of a model: higher goes first.")
    var weight: Int?

    @Option(help: "USD per million input tokens.", transform: parsing(TokenPrice.parse))
    var inputPrice: Int64

    @Option(help: "USD per million output tokens.", transform: parsing(TokenPrice.parse))
    var outputPrice: Int64

    @Option(
      help: "USD per million input tokens read from a cache; the input price where absent.",
      transform: parsing(TokenPrice.parse))
    var cachedInputPrice: Int64?

    @Option(
      help: "USD per million input tokens written to a cache; the input price where absent.",
      transform: parsing(TokenPrice.parse))
    var cacheWritePrice: Int64?

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let request = OfferRequest(
        model: model, upstream: upstream, upstreamModel: upstreamModel, dialect: dialect.rawValue,
        weight: weight,
        inputPrice: inputPrice, outputPrice: outputPrice, cachedInputPrice: cachedInputPrice,
        cacheWritePrice: cacheWritePrice)
      let offer: OfferSummary = try await client.post(AdminRoute.offers, request)
      if global.json { return try Output.json(offer) }
      try Output.write(
        "\(printable(offer.model)) offered by \(printable(offer.upstream)) in \(printable(offer.region)) (\(offer.id))\n"
      )
      Output.note("next: strait key create --team NAME, then send a request to an edge (strait edge list)")
    }
  }

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the offers; prices are USD per million tokens.")

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let offers: [OfferSummary] = try await client.get(AdminRoute.offers)
      try Output.list(
        offers, json: global.json,
        empty: "no offers yet; next: strait offer add MODEL --upstream NAME --dialect openai --input-price P "
          + "--output-price P",
        columns: [
          .text("MODEL", \.model), .text("UPSTREAM", \.upstream), .text("REGION", \.region),
          .text("UPSTREAM MODEL", \.upstreamModel), .text("DIALECT", \.dialect),
          .number("WEIGHT") { String($0.weight) },
          .number("INPUT") { TokenPrice.text($0.inputPrice) },
          .number("CACHED") { TokenPrice.text($0.cachedInputPrice) },
          .number("CACHE WRITE") { TokenPrice.text($0.cacheWritePrice) },
          .number("OUTPUT") { TokenPrice.text($0.outputPrice) },
          .text("ID", \.id),
        ])
    }
  }
}
