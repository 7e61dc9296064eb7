// Versions of the configuration as they go over the admin API.

package struct VersionSummary: Codable, Sendable, Equatable {
  package var version: UInt64
  package var madeAt: String
  /// Who made it and by what; absent on the first.
  package var actor: String?
  package var action: String?
  package var subject: String?
  /// How many regions, upstreams, offers, teams and keys it changed.
  package var resources: Int
  /// The version whose content it brought back.
  package var restores: UInt64?
  /// Whether every edge may have it.
  package var everywhere: Bool

  package init(
    version: UInt64, madeAt: String, actor: String?, action: String?, subject: String?, resources: Int,
    restores: UInt64?, everywhere: Bool
  ) {
    self.version = version
    self.madeAt = madeAt
    self.actor = actor
    self.action = action
    self.subject = subject
    self.resources = resources
    self.restores = restores
    self.everywhere = everywhere
  }
}

/// How two versions differ.
package struct VersionDifference: Codable, Sendable, Equatable {
  package var from: UInt64
  package var to: UInt64
  package var resources: [ResourceDifference]
  /// How many more differ than are listed.
  package var omitted: Int

  package init(from: UInt64, to: UInt64, resources: [ResourceDifference], omitted: Int) {
    self.from = from
    self.to = to
    self.resources = resources
    self.omitted = omitted
  }
}

package struct ResourceDifference: Codable, Sendable, Equatable {
  /// `region`, `upstream`, `offer`, `team` or `key`
  package var kind: String
  package var id: String
  package var name: String
  /// `added`, `removed` or `changed`
  package var change: String
  package var fields: [FieldDifference]

  package init(kind: String, id: String, name: String, change: String, fields: [FieldDifference]) {
    self.kind = kind
    self.id = id
    self.name = name
    self.change = change
    self.fields = fields
  }
}

/// A field's two values; absent where it had none.
package struct FieldDifference: Codable, Sendable, Equatable {
  package var field: String
  package var before: String?
  package var after: String?

  package init(field: String, before: String?, after: String?) {
    self.field = field
    self.before = before
    self.after = after
  }
}

package struct RollbackResult: Codable, Sendable, Equatable {
  /// The new version.
  package var version: UInt64
  package var restores: UInt64
  package var resources: Int
  /// Regions that stay because something stands in them.
  package var kept: [String]

  package init(version: UInt64, restores: UInt64, resources: Int, kept: [String]) {
    self.version = version
    self.restores = restores
    self.resources = resources
    self.kept = kept
  }
}

/// What an operator said is meant to be gone, although it is much.
package struct VersionConfirmation: Codable, Sendable, Equatable {
  /// The new version, which carries it to the edges.
  package var version: UInt64
  package var confirms: UInt64
  /// Those that run an older version, and what they take away now.
  package var edges: [ConfirmedEdge]

  package init(version: UInt64, confirms: UInt64, edges: [ConfirmedEdge]) {
    self.version = version
    self.confirms = confirms
    self.edges = edges
  }
}

package struct ConfirmedEdge: Codable, Sendable, Equatable {
  package var edge: String
  package var region: String
  /// What it runs.
  package var version: UInt64
  package var regions: Int
  package var upstreams: Int
  package var offers: Int
  package var teams: Int
  package var keys: Int

  package init(
    edge: String, region: String, version: UInt64, regions: Int, upstreams: Int, offers: Int, teams: Int,
    keys: Int
  ) {
    self.edge = edge
    self.region = region
    self.version = version
    self.regions = regions
    self.upstreams = upstreams
    self.offers = offers
    self.teams = teams
    self.keys = keys
  }
}
