// What goes over the admin API. Identifiers and times are text: UUIDs, and RFC 3339 in UTC. Prices are micro-USD per
// million tokens, costs nano-USD. Every property's JSON name is its snake-case form.

/// A region as operators write it, one file each in `regions/` (YAML, validated against `regions/schema.json`).
package struct RegionDocument: Codable, Sendable, Equatable {
  package var name: String
  package var title: String
  package var jurisdiction: String
  package var country: String

  package init(name: String, title: String, jurisdiction: String, country: String) {
    self.name = name
    self.title = title
    self.jurisdiction = jurisdiction
    self.country = country
  }
}

package struct RegionApplyResult: Codable, Sendable {
  package var created: [String]
  package var changed: [String]
  package var unchanged: [String]

  package init(created: [String], changed: [String], unchanged: [String]) {
    self.created = created
    self.changed = changed
    self.unchanged = unchanged
  }
}

package struct EdgeSummary: Codable, Sendable {
  package var id: String
  package var region: String
  package var baseURL: String
  package var softwareVersion: String
  /// Whether a control-plane replica holds its configuration stream now.
  package var connected: Bool
  package var enrolledAt: String
  package var lastSeenAt: String?
  /// How long ago its last word was.
  package var silentSeconds: Int?
  /// The version that the edge acknowledged last, and the newest one.
  package var version: UInt64
  package var newestVersion: UInt64
  /// How long there has been a version that it has not acknowledged; 0 when it is in step.
  package var lagSeconds: Int
  /// Why it refused a version, where it did, or what is wrong with the one that it runs.
  package var refusal: String?
  /// The version that it refused; absent where its own copy is what is wrong.
  package var refusedVersion: UInt64?
  package var spooledRecords: UInt64
  package var lostRecords: UInt64
  package var certificateExpiresAt: String
  /// When an operator took it out of the fleet; such an edge is in no list.
  package var evictedAt: String?

  package init(
    id: String, region: String, baseURL: String, softwareVersion: String, connected: Bool, enrolledAt: String,
    lastSeenAt: String?, version: UInt64, newestVersion: UInt64, refusal: String?, spooledRecords: UInt64,
    lostRecords: UInt64, certificateExpiresAt: String, evictedAt: String? = nil, silentSeconds: Int? = nil,
    lagSeconds: Int = 0, refusedVersion: UInt64? = nil
  ) {
    self.id = id
    self.region = region
    self.baseURL = baseURL
    self.softwareVersion = softwareVersion
    self.connected = connected
    self.enrolledAt = enrolledAt
    self.lastSeenAt = lastSeenAt
    self.version = version
    self.newestVersion = newestVersion
    self.refusal = refusal
    self.spooledRecords = spooledRecords
    self.lostRecords = lostRecords
    self.certificateExpiresAt = certificateExpiresAt
    self.evictedAt = evictedAt
    self.silentSeconds = silentSeconds
    self.lagSeconds = lagSeconds
    self.refusedVersion = refusedVersion
  }
}

package struct JoinTokenRequest: Codable, Sendable {
  package var region: String
  package var validSeconds: Int?

  package init(region: String, validSeconds: Int?) {
    self.region = region
    self.validSeconds = validSeconds
  }
}

/// A join token, shown once: one use, bound to the region.
package struct JoinToken: Codable, Sendable {
  package var token: String
  package var region: String
  package var expiresAt: String

  package init(token: String, region: String, expiresAt: String) {
    self.token = token
    self.region = region
    self.expiresAt = expiresAt
  }
}

package struct TeamRequest: Codable, Sendable {
  package var name: String
  /// An account's name, made where it does not exist; `default` where absent.
  package var account: String?
  /// Edges that have not heard from the control plane for longer refuse the team; never where absent or 0.
  package var stalenessLimitSeconds: Int?

  package init(name: String, account: String?, stalenessLimitSeconds: Int? = nil) {
    self.name = name
    self.account = account
    self.stalenessLimitSeconds = stalenessLimitSeconds
  }
}

/// What is to change of a team; what is absent stays.
package struct TeamChangeRequest: Codable, Sendable {
  /// 0 for never.
  package var stalenessLimitSeconds: Int?

  package init(stalenessLimitSeconds: Int?) {
    self.stalenessLimitSeconds = stalenessLimitSeconds
  }
}

package struct TeamSummary: Codable, Sendable {
  package var id: String
  package var name: String
  package var account: String
  package var suspended: Bool
  /// Absent for never.
  package var stalenessLimitSeconds: Int?
  package var createdAt: String

  package init(
    id: String, name: String, account: String, suspended: Bool, stalenessLimitSeconds: Int? = nil,
    createdAt: String
  ) {
    self.id = id
    self.name = name
    self.account = account
    self.suspended = suspended
    self.stalenessLimitSeconds = stalenessLimitSeconds
    self.createdAt = createdAt
  }
}

package struct KeyRequest: Codable, Sendable {
  /// Name or id.
  package var team: String
  package var name: String?
  package var validSeconds: Int?

  package init(team: String, name: String?, validSeconds: Int?) {
    self.team = team
    self.name = name
    self.validSeconds = validSeconds
  }
}

package struct KeySummary: Codable, Sendable {
  package var id: String
  package var publicID: String
  package var team: String
  package var name: String
  package var createdAt: String
  package var expiresAt: String?
  package var revokedAt: String?

  package init(
    id: String, publicID: String, team: String, name: String, createdAt: String, expiresAt: String?,
    revokedAt: String?
  ) {
    self.id = id
    self.publicID = publicID
    self.team = team
    self.name = name
    self.createdAt = createdAt
    self.expiresAt = expiresAt
    self.revokedAt = revokedAt
  }
}

/// A key with its secret: the only answer that ever holds one.
package struct NewKey: Codable, Sendable {
  package var key: String
  package var summary: KeySummary

  package init(key: String, summary: KeySummary) {
    self.key = key
    self.summary = summary
  }
}

package struct UsagePage: Codable, Sendable {
  package var records: [UsageEntry]
  /// Give it back as `after` for the next page; absent on the last.
  package var next: String?

  package init(records: [UsageEntry], next: String?) {
    self.records = records
    self.next = next
  }
}

/// One stored usage record, with its ids resolved to names and its cost.
package struct UsageEntry: Codable, Sendable {
  /// The exchange: the `x-request-id` that the client was given.
  package var requestID: String
  package var startedAt: String
  package var edge: String
  package var edgeRegion: String
  package var region: String
  package var team: String
  package var keyPublicID: String
  package var model: String
  package var upstream: String
  package var endpoint: String
  package var dialect: String
  package var clientProtocol: String
  package var streamed: Bool
  package var status: Int
  package var upstreamStatus: Int
  package var outcome: String
  package var usageSource: String
  package var inputTokens: UInt64
  package var cachedInputTokens: UInt64
  package var cacheWriteTokens: UInt64
  package var outputTokens: UInt64
  package var reasoningTokens: UInt64
  package var costNanoUSD: Int64
  package var durationMicroseconds: UInt64
  package var firstByteMicroseconds: UInt64
  package var requestBytes: UInt64
  package var responseBytes: UInt64
  package var attempts: Int

  package init(
    requestID: String, startedAt: String, edge: String, edgeRegion: String, region: String, team: String,
    keyPublicID: String, model: String, upstream: String, endpoint: String, dialect: String,
    clientProtocol: String,
    streamed: Bool, status: Int, upstreamStatus: Int, outcome: String, usageSource: String,
    inputTokens: UInt64,
    cachedInputTokens: UInt64, cacheWriteTokens: UInt64, outputTokens: UInt64, reasoningTokens: UInt64,
    costNanoUSD: Int64, durationMicroseconds: UInt64, firstByteMicroseconds: UInt64, requestBytes: UInt64,
    responseBytes: UInt64, attempts: Int
  ) {
    self.requestID = requestID
    self.startedAt = startedAt
    self.edge = edge
    self.edgeRegion = edgeRegion
    self.region = region
    self.team = team
    self.keyPublicID = keyPublicID
    self.model = model
    self.upstream = upstream
    self.endpoint = endpoint
    self.dialect = dialect
    self.clientProtocol = clientProtocol
    self.streamed = streamed
    self.status = status
    self.upstreamStatus = upstreamStatus
    self.outcome = outcome
    self.usageSource = usageSource
    self.inputTokens = inputTokens
    self.cachedInputTokens = cachedInputTokens
    self.cacheWriteTokens = cacheWriteTokens
    self.outputTokens = outputTokens
    self.reasoningTokens = reasoningTokens
    self.costNanoUSD = costNanoUSD
    self.durationMicroseconds = durationMicroseconds
    self.firstByteMicroseconds = firstByteMicroseconds
    self.requestBytes = requestBytes
    self.responseBytes = responseBytes
    self.attempts = attempts
  }
}

package struct ControlPlaneStatus: Codable, Sendable {
  package var softwareVersion: String
  package var configurationVersion: UInt64
  package var databaseVersion: String
  package var regions: Int
  package var edgesEnrolled: Int
  package var edgesConnected: Int
  package var offers: Int
  package var keys: Int

  package init(
    softwareVersion: String, configurationVersion: UInt64, databaseVersion: String, regions: Int,
    edgesEnrolled: Int,
    edgesConnected: Int, offers: Int, keys: Int
  ) {
    self.softwareVersion = softwareVersion
    self.configurationVersion = configurationVersion
    self.databaseVersion = databaseVersion
    self.regions = regions
    self.edgesEnrolled = edgesEnrolled
    self.edgesConnected = edgesConnected
    self.offers = offers
    self.keys = keys
  }
}

/// The body of every answer that is not a success.
package struct AdminErrorBody: Codable, Sendable {
  package struct Detail: Codable, Sendable {
    /// A stable word: `invalid_request`, `unauthorized`, `not_found`, `conflict`, `unavailable`, `internal`.
    package var code: String
    package var message: String
    /// What to do next, where there is something to do.
    package var hint: String?

    package init(code: String, message: String, hint: String?) {
      self.code = code
      self.message = message
      self.hint = hint
    }
  }

  package var error: Detail

  package init(error: Detail) {
    self.error = error
  }
}
