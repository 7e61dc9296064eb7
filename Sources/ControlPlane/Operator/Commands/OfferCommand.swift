import AdminAPI
import ArgumentParser

struct OfferCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "offer", abstract: "Offers: models as upstreams serve them, with prices.",
    subcommands: [Add.self, Update.self, Remove.self, List.self])

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

  struct Update: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change an offer: its weight, its prices, the upstream's name for the model.",
      discussion: """
        What is not given stays. Prices are USD per million tokens and count from now on: what was used before keeps its \
        cost. The rest goes to one edge first, and is taken back where that edge then fails.
        """)

    @Argument(help: "Its id, or its model where one upstream offers it.")
    var offer: String

    @Option(help: "The upstream's own name for the model.")
    var upstreamModel: String?

    @Option(help: "The order among the offers of a model: higher goes first.")
    var weight: Int?

    @Option(help: "USD per million input tokens.", transform: parsing(TokenPrice.parse))
    var inputPrice: Int64?

    @Option(help: "USD per million output tokens.", transform: parsing(TokenPrice.parse))
    var outputPrice: Int64?

    @Option(help: "USD per million input tokens read from a cache.", transform: parsing(TokenPrice.parse))
    var cachedInputPrice: Int64?

    @Option(help: "USD per million input tokens written to a cache.", transform: parsing(TokenPrice.parse))
    var cacheWritePrice: Int64?

    @OptionGroup var global: GlobalOptions

    private var request: OfferChangeRequest {
      OfferChangeRequest(
        upstreamModel: upstreamModel, weight: weight, inputPrice: inputPrice, outputPrice: outputPrice,
        cachedInputPrice: cachedInputPrice, cacheWritePrice: cacheWritePrice)
    }

    func validate() throws {
      if request == OfferChangeRequest() {
        throw ValidationError("say what is to change, for example --weight 50")
      }
    }

    func perform(_ client: AdminClient) async throws {
      let changed: OfferSummary = try await client.put(AdminRoute.offers, id: offer, request)
      if global.json { return try Output.json(changed) }
      try Output.write(
        "\(printable(changed.model)) of \(printable(changed.upstream)) changed (\(changed.id))\n")
    }
  }

  struct Remove: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stop offering a model of an upstream.",
      discussion: """
        Streams that run go on. Where nobody else offers the model, its clients are answered 404; where they are many, that \
        counts as a rise of errors, and the first edge's are enough to take the removal back.
        """)

    @Argument(help: "Its id, or its model where one upstream offers it.")
    var offer: String

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      if offer.isEmpty { throw ValidationError("give the id of an offer; strait offer list shows them") }
    }

    func perform(_ client: AdminClient) async throws {
      let gone: OfferSummary = try await client.delete(AdminRoute.offers, id: offer)
      if global.json { return try Output.json(gone) }
      try Output.write("\(printable(gone.model)) of \(printable(gone.upstream)) removed (\(gone.id))\n")
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
