// Rollouts as they go over the admin API.

package struct RolloutSummary: Codable, Sendable, Equatable {
  package var number: Int64
  /// The version that was everywhere before, and the one that it brings.
  package var base: UInt64
  package var target: UInt64
  /// `at_once`, `quick` or `watched`
  package var pace: String
  /// `running`, `halted`, `done`, `rolled_back` or `superseded`
  package var state: String
  /// `canary`, `region` or `fleet`
  package var stage: String
  package var canary: String?
  package var region: String?
  /// Why it was halted or taken back.
  package var reason: String?
  /// The version that took it back.
  package var rolledBackBy: UInt64?
  package var beganAt: String
  package var endedAt: String?
  /// The edges that its last stage waited for; absent in a list.
  package var edges: [RolloutEdgeSummary]?

  package init(
    number: Int64, base: UInt64, target: UInt64, pace: String, state: String, stage: String, canary: String?,
    region: String?, reason: String?, rolledBackBy: UInt64?, beganAt: String, endedAt: String?,
    edges: [RolloutEdgeSummary]?
  ) {
    self.number = number
    self.base = base
    self.target = target
    self.pace = pace
    self.state = state
    self.stage = stage
    self.canary = canary
    self.region = region
    self.reason = reason
    self.rolledBackBy = rolledBackBy
    self.beganAt = beganAt
    self.endedAt = endedAt
    self.edges = edges
  }
}

package struct RolloutEdgeSummary: Codable, Sendable, Equatable {
  package var edge: String
  package var region: String
  package var connected: Bool
  package var version: UInt64
  package var refusal: String?
  /// Since the stage began.
  package var endedExchanges: UInt64
  package var failedExchanges: UInt64

  package init(
    edge: String, region: String, connected: Bool, version: UInt64, refusal: String?, endedExchanges: UInt64,
    failedExchanges: UInt64
  ) {
    self.edge = edge
    self.region = region
    self.connected = connected
    self.version = version
    self.refusal = refusal
    self.endedExchanges = endedExchanges
    self.failedExchanges = failedExchanges
  }
}
