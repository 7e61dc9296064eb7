// What goes over the admin API of upstreams and offers; see AdminDocuments.swift for the form of values.

package struct UpstreamRequest: Codable, Sendable {
  package var name: String
  package var region: String
  /// `https://host[:port]` or `http://host[:port]`, with a path prefix where the upstream has one.
  package var url: String
  /// `http1`, `http2` or `negotiated`
  package var httpVersion: String?
  /// `none`, `bearer` or `api-key`
  package var credentialStyle: String?
  package var credential: String?
  package var caPEM: String?
  /// Whether only edges of its own region may hear of it; they need not where absent.
  package var `private`: Bool?
  /// `public`, which it is where absent, or `private`
  package var network: String?

  package init(
    name: String, region: String, url: String, httpVersion: String?, credentialStyle: String?,
    credential: String?,
    caPEM: String?, private: Bool? = nil, network: String? = nil
  ) {
    self.name = name
    self.region = region
    self.url = url
    self.httpVersion = httpVersion
    self.credentialStyle = credentialStyle
    self.credential = credential
    self.caPEM = caPEM
    self.private = `private`
    self.network = network
  }
}

/// What is to change of an upstream; what is absent stays.
package struct UpstreamChangeRequest: Codable, Sendable, Equatable {
  /// Another origin has to be given its own credential with it.
  package var url: String?
  package var httpVersion: String?
  /// `none` takes the credential away.
  package var credentialStyle: String?
  package var credential: String?
  /// Empty for the system's trust.
  package var caPEM: String?
  package var `private`: Bool?
  /// `public` or `private`
  package var network: String?

  package init(
    url: String? = nil, httpVersion: String? = nil, credentialStyle: String? = nil, credential: String? = nil,
    caPEM: String? = nil, private: Bool? = nil, network: String? = nil
  ) {
    self.url = url
    self.httpVersion = httpVersion
    self.credentialStyle = credentialStyle
    self.credential = credential
    self.caPEM = caPEM
    self.private = `private`
    self.network = network
  }
}

/// An upstream without its credential, which no one gets to see again.
package struct UpstreamSummary: Codable, Sendable {
  package var id: String
  package var name: String
  package var region: String
  package var url: String
  package var httpVersion: String
  package var credentialStyle: String
  /// Whether only edges of its own region hear of it.
  package var `private`: Bool
  /// `public`: it is connected to at public addresses alone; `private`: in private networks too. Absent from a control
  /// plane that knows no difference.
  package var network: String?
  package var createdAt: String

  package init(
    id: String, name: String, region: String, url: String, httpVersion: String, credentialStyle: String,
    private: Bool = false, network: String? = nil, createdAt: String
  ) {
    self.id = id
    self.name = name
    self.region = region
    self.url = url
    self.httpVersion = httpVersion
    self.credentialStyle = credentialStyle
    self.private = `private`
    self.network = network
    self.createdAt = createdAt
  }
}

package struct OfferRequest: Codable, Sendable {
  package var model: String
  /// Name or id.
  package var upstream: String
  /// What the upstream calls the model; the same name where absent.
  package var upstreamModel: String?
  /// `openai` or `anthropic`
  package var dialect: String
  package var weight: Int?
  package var inputPrice: Int64
  package var outputPrice: Int64
  /// The input price where absent.
  package var cachedInputPrice: Int64?
  /// The input price where absent.
  package var cacheWritePrice: Int64?

  package init(
    model: String, upstream: String, upstreamModel: String?, dialect: String, weight: Int?, inputPrice: Int64,
    outputPrice: Int64, cachedInputPrice: Int64?, cacheWritePrice: Int64?
  ) {
    self.model = model
    self.upstream = upstream
    self.upstreamModel = upstreamModel
    self.dialect = dialect
    self.weight = weight
    self.inputPrice = inputPrice
    self.outputPrice = outputPrice
    self.cachedInputPrice = cachedInputPrice
    self.cacheWritePrice = cacheWritePrice
  }
}

/// What is to change of an offer; what is absent stays. Prices count from now on: what was used before keeps its cost.
package struct OfferChangeRequest: Codable, Sendable, Equatable {
  package var upstreamModel: String?
  package var weight: Int?
  package var inputPrice: Int64?
  package var outputPrice: Int64?
  package var cachedInputPrice: Int64?
  package var cacheWritePrice: Int64?

  package init(
    upstreamModel: String? = nil, weight: Int? = nil, inputPrice: Int64? = nil, outputPrice: Int64? = nil,
    cachedInputPrice: Int64? = nil, cacheWritePrice: Int64? = nil
  ) {
    self.upstreamModel = upstreamModel
    self.weight = weight
    self.inputPrice = inputPrice
    self.outputPrice = outputPrice
    self.cachedInputPrice = cachedInputPrice
    self.cacheWritePrice = cacheWritePrice
  }
}

package struct OfferSummary: Codable, Sendable {
  package var id: String
  package var model: String
  package var upstream: String
  package var region: String
  package var upstreamModel: String
  package var dialect: String
  package var weight: Int
  package var inputPrice: Int64
  package var cachedInputPrice: Int64
  package var cacheWritePrice: Int64
  package var outputPrice: Int64

  package init(
    id: String, model: String, upstream: String, region: String, upstreamModel: String, dialect: String,
    weight: Int,
    inputPrice: Int64, cachedInputPrice: Int64, cacheWritePrice: Int64, outputPrice: Int64
  ) {
    self.id = id
    self.model = model
    self.upstream = upstream
    self.region = region
    self.upstreamModel = upstreamModel
    self.dialect = dialect
    self.weight = weight
    self.inputPrice = inputPrice
    self.cachedInputPrice = cachedInputPrice
    self.cacheWritePrice = cacheWritePrice
    self.outputPrice = outputPrice
  }
}
