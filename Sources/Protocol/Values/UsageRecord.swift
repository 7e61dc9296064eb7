// One exchange's metadata as the edge writes it: a closed schema of plain numbers, no text, so that nothing a client or
// an upstream sent can find a place in it, and so that writing one on the data path costs a copy of its bytes.

package struct UsageRecord: Sendable, BitwiseCopyable, Equatable {
  package var id: ExchangeID
  package var teamID: TeamID
  package var keyID: KeyID
  package var offerID: OfferID
  package var upstreamID: UpstreamID
  /// Microseconds since 1970, UTC.
  package var startedAt: Int64
  package var durationMicroseconds: UInt64 = 0
  /// From the request's first byte to the answer's first content byte; 0 when none came.
  package var firstByteMicroseconds: UInt64 = 0
  package var endpoint: Endpoint
  package var dialect: Dialect
  package var clientProtocol: ClientProtocol
  package var streamed: Bool = false
  /// The HTTP status that the client was told; 0 when the client had gone before any.
  package var status: UInt16 = 0
  /// The upstream's last HTTP status; 0 when it said none.
  package var upstreamStatus: UInt16 = 0
  package var outcome: ExchangeOutcome = .completed
  package var attempts: UInt8 = 0
  package var tokens = TokenCounts()
  package var requestBytes: UInt64 = 0
  package var responseBytes: UInt64 = 0

  package init(
    id: ExchangeID, teamID: TeamID, keyID: KeyID, offerID: OfferID, upstreamID: UpstreamID, startedAt: Int64,
    endpoint: Endpoint, clientProtocol: ClientProtocol
  ) {
    self.id = id
    self.teamID = teamID
    self.keyID = keyID
    self.offerID = offerID
    self.upstreamID = upstreamID
    self.startedAt = startedAt
    self.endpoint = endpoint
    self.dialect = endpoint.dialect
    self.clientProtocol = clientProtocol
  }
}

/// Token counts of one exchange. Cached and cache-written tokens are part of `input`, reasoning tokens part of `output`,
/// in every dialect: Anthropic reports them apart from `input_tokens` and its reader adds them.
package struct TokenCounts: Sendable, BitwiseCopyable, Equatable {
  package var source: UsageSource = .none
  package var input: UInt64 = 0
  package var cachedInput: UInt64 = 0
  package var cacheWrite: UInt64 = 0
  package var output: UInt64 = 0
  package var reasoning: UInt64 = 0

  package init() {}
}

package enum UsageSource: UInt8, Sendable, BitwiseCopyable {
  /// Nothing was processed, so there is nothing to count.
  case none = 1
  /// The upstream's own counts.
  case provider = 2
  /// Counted by the edge, because the upstream did not say.
  case estimated = 3
}

package enum ClientProtocol: UInt8, Sendable, BitwiseCopyable {
  case http1 = 11
  case http2 = 20
}

/// How an exchange ended, as stored. Raw values never change.
package enum ExchangeOutcome: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  /// The whole answer of a 2xx reached the client's connection.
  case completed = 1
  /// The upstream answered with an error status, or with an error event in its stream; it was passed on.
  case upstreamError = 2
  /// No connection to the upstream could be made, or it refused.
  case upstreamUnreachable = 3
  /// The upstream's answer ended before its dialect's end.
  case upstreamCut = 4
  /// The upstream's answer was not of its protocol or dialect.
  case upstreamMalformed = 5
  /// The upstream was silent for longer than a limit allows.
  case upstreamTimeout = 6
  /// The client went away first.
  case clientGone = 7
  /// The client broke its request off or it was refused while it was being read.
  case clientError = 8
  /// The edge was told to stop before the end.
  case edgeStopped = 9
  /// The process ended while the exchange was under way.
  case interrupted = 10
  /// The key was revoked while the answer was on its way.
  case keyRevoked = 11

  /// The word that operators see.
  package var word: String {
    switch self {
    case .completed: "completed"
    case .upstreamError: "upstream_error"
    case .upstreamUnreachable: "upstream_unreachable"
    case .upstreamCut: "upstream_cut"
    case .upstreamMalformed: "upstream_malformed"
    case .upstreamTimeout: "upstream_timeout"
    case .clientGone: "client_gone"
    case .clientError: "client_error"
    case .edgeStopped: "edge_stopped"
    case .interrupted: "interrupted"
    case .keyRevoked: "key_revoked"
    }
  }
}

/// Where finished exchanges go.
///
/// Called on a data-path thread before the last byte of the answer is handed to the kernel: when the call returns, the
/// record must survive the death of the process. It must not wait for the disk.
package protocol UsageSink: AnyObject, Sendable {
  func append(_ record: UsageRecord)
}
