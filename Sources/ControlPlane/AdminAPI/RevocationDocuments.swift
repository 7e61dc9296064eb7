// What goes over the admin API about revocations and suspensions.

/// Keys to end: some, or all of a team.
package struct RevocationRequest: Codable, Sendable {
  /// Ids or public ids.
  package var ids: [String]?
  /// Name or id.
  package var team: String?
  /// How many good keys are to go: asked for where they are many.
  package var confirm: Int?

  package init(ids: [String]?, team: String?, confirm: Int?) {
    self.ids = ids
    self.team = team
    self.confirm = confirm
  }
}

package struct RevocationResult: Codable, Sendable {
  /// Those that were asked for, revoked now or before; empty for a team.
  package var keys: [KeySummary]
  /// How many good keys went.
  package var revokedKeys: Int
  /// What edges were told, empty where nothing changed.
  package var revocations: [RevocationSummary]

  package init(keys: [KeySummary], revokedKeys: Int, revocations: [RevocationSummary]) {
    self.keys = keys
    self.revokedKeys = revokedKeys
    self.revocations = revocations
  }
}

package struct SuspensionRequest: Codable, Sendable {
  package var suspended: Bool
  /// As in `RevocationRequest`.
  package var confirm: Int?

  package init(suspended: Bool, confirm: Int?) {
    self.suspended = suspended
    self.confirm = confirm
  }
}

package struct SuspensionResult: Codable, Sendable {
  package var team: TeamSummary
  package var revocations: [RevocationSummary]

  package init(team: TeamSummary, revocations: [RevocationSummary]) {
    self.team = team
    self.revocations = revocations
  }
}

/// One revocation and how far it has come.
package struct RevocationSummary: Codable, Sendable {
  package var number: UInt64
  /// Absent where it is of a whole team.
  package var keyPublicID: String?
  package var team: String
  /// The configuration's version that holds it too.
  package var version: UInt64
  /// Good keys that it took away.
  package var keys: Int
  package var confirmed: Bool
  package var madeAt: String
  /// Edges that there are, and those at which it is in force.
  package var edges: Int
  package var inForce: Int
  package var missing: [RevocationGap]

  package init(
    number: UInt64, keyPublicID: String?, team: String, version: UInt64, keys: Int, confirmed: Bool,
    madeAt: String, edges: Int, inForce: Int, missing: [RevocationGap]
  ) {
    self.number = number
    self.keyPublicID = keyPublicID
    self.team = team
    self.version = version
    self.keys = keys
    self.confirmed = confirmed
    self.madeAt = madeAt
    self.edges = edges
    self.inForce = inForce
    self.missing = missing
  }
}

/// An edge at which a revocation is not in force, as far as is known.
package struct RevocationGap: Codable, Sendable {
  package var edge: String
  package var region: String
  /// Whether it has a link now; one that has none learns of it at its return.
  package var connected: Bool
  /// Why it did not take it, where it said so.
  package var refusal: String?

  package init(edge: String, region: String, connected: Bool, refusal: String?) {
    self.edge = edge
    self.region = region
    self.connected = connected
    self.refusal = refusal
  }
}
