// The configuration as edges hold it at a version, read whole or by what changed. Callers read in one repeatable-read
// transaction, so that what they read is one version.

import Foundation
import Postgres
import StraitProtocol

package struct ConfigurationStore: Sendable {
  /// Opens a sealed credential.
  package typealias Opener = @Sendable (_ sealed: [UInt8], _ upstream: UpstreamID) throws -> [UInt8]

  let transaction: PostgresTransaction
  /// What changed after it is read as it was before.
  let version: Int64
  let open: Opener

  package init(reading transaction: PostgresTransaction, at version: UInt64, open: @escaping Opener) {
    self.transaction = transaction
    self.version = Int64(clamping: version)
    self.open = open
  }

  /// Every resource, references before what refers to them.
  package func readAll(_ body: (WireResource) throws -> Void, packedKeys: (Data) -> Void) async throws {
    try await regions(names: nil).forEach { try body($0.resource) }
    try await upstreams(ids: nil).forEach { try body($0.resource) }
    try await offers(ids: nil).forEach { try body($0.resource) }
    try await teams(ids: nil).forEach { try body($0.resource) }
    // Of keys there are many, and few of them changed since: those are read apart.
    let later = try await keysChangedSince()
    let laterKeys = Set(later)
    var last = KeyID.none
    while let page = try await keyPage(after: last) {
      packedKeys(page.keys(without: laterKeys))
      last = page.last
    }
    if !later.isEmpty { try await keys(ids: later).forEach { try body($0.resource) } }
  }

  /// The current state of the given resources: what edges may have of them, and which they must not have.
  package func read(_ changed: [ResourceKey]) async throws -> (
    upserts: [WireResource], removals: [ResourceKey]
  ) {
    let touched = try await touchedKeys(changed)
    let found = try await allButKeys(changed) + (touched.isEmpty ? [] : keys(ids: touched))
    let present = Set(found.map(\.key))
    let wanted = Set(changed).union(touched.map { ResourceKey(.key, $0) })
    return (found.map(\.resource), wanted.subtracting(present).sorted { $0.id < $1.id })
  }

  /// What of the given resources there was at the version, whatever has been revoked or has ended since: by it one version
  /// is counted from another.
  /// - Returns: nil where more keys than `limit` would have to be read, with those of changed teams
  package func counted(_ changed: [ResourceKey], keysAtMost limit: Int) async throws -> [WireResource]? {
    let touched = try await touchedKeys(changed)
    guard touched.count <= limit else { return nil }
    let found =
      try await allButKeys(changed) + (touched.isEmpty ? [] : keys(ids: touched, asTheyWere: true))
    return found.map(\.resource)
  }

  /// Keys that changed by themselves or with their team.
  private func touchedKeys(_ changed: [ResourceKey]) async throws -> [KeyID] {
    let ids = Dictionary(grouping: changed, by: \.kind).mapValues { $0.map(\.id) }
    let ofTeams = try await keyIDs(ofTeams: identifiers(ids[.team], of: TeamSubject.self))
    return Array(Set(identifiers(ids[.key], of: KeySubject.self)).union(ofTeams))
  }

  private func allButKeys(_ changed: [ResourceKey]) async throws -> Found {
    let ids = Dictionary(grouping: changed, by: \.kind).mapValues { $0.map(\.id) }
    var found: Found = []
    if let names = ids[.region] { found += try await regions(names: names) }
    if let upstreams = ids[.upstream] {
      found += try await self.upstreams(ids: identifiers(upstreams, of: UpstreamSubject.self))
    }
    if let offers = ids[.offer] {
      found += try await self.offers(ids: identifiers(offers, of: OfferSubject.self))
    }
    if let teams = ids[.team] {
      found += try await self.teams(ids: identifiers(teams, of: TeamSubject.self))
    }
    return found
  }

  /// All that are private to a region, whether they changed or not: their offers are private with them.
  package func privateUpstreams() async throws -> PrivateUpstreams {
    PrivateUpstreams(
      try await transaction.query("SELECT id, region FROM upstreams_at($1) WHERE private", version).map {
        row in
        (id: try row.get("id"), region: try row.get("region"))
      })
  }

  /// Those of the given upstreams, whether they changed or not.
  package func offers(of upstreams: [UpstreamID]) async throws -> [OfferID] {
    try await transaction.query(
      "SELECT id FROM offers_at($1) WHERE upstream_id = ANY ($2) ORDER BY id", version, upstreams
    ).map { try $0.get("id") }
  }

  private typealias Found = [(key: ResourceKey, resource: WireResource)]
  private static let keysPerPage = 5000

  private func identifiers<Subject>(_ texts: [String]?, of subject: Subject.Type) -> [Identifier<Subject>] {
    (texts ?? []).compactMap { Identifier<Subject>($0) }
  }
}

// MARK: One kind each; nothing in place of names or ids means all

extension ConfigurationStore {
  private func regions(names: [String]?) async throws -> Found {
    try await transaction.query(
      """
      SELECT name, jurisdiction, title FROM regions_at($2) WHERE $1::text[] IS NULL OR name = ANY ($1) ORDER BY name
      """, names, version
    ).map { row in
      let region = try WireRegion.with {
        $0.name = try row.get("name")
        $0.jurisdiction = try row.get("jurisdiction")
        $0.title = try row.get("title")
      }
      return (ResourceKey(.region, region.name), .with { $0.region = region })
    }
  }

  private func upstreams(ids: [UpstreamID]?) async throws -> Found {
    try await transaction.query(
      """
      SELECT id, name, region, origin, path_prefix, protocol, credential_style, credential_sealed, ca_pem,
        private, network = 'public' AS on_public_network
      FROM upstreams_at($2) WHERE $1::uuid[] IS NULL OR id = ANY ($1) ORDER BY id
      """, ids, version
    ).map { row in
      let id: UpstreamID = try row.get("id")
      let upstream = try WireUpstream.with {
        $0.id = Data(id.bytes)
        $0.name = try row.get("name")
        $0.region = try row.get("region")
        $0.origin = try row.get("origin")
        $0.pathPrefix = try row.get("path_prefix")
        $0.protocol = UpstreamProtocol(rawValue: try row.get("protocol"))?.wire ?? .unspecified
        $0.credentialStyle = CredentialStyle(rawValue: try row.get("credential_style"))?.wire ?? .unspecified
        if let sealed = try row.get("credential_sealed", as: [UInt8]?.self) {
          $0.credential = Data(try open(sealed, id))
        }
        $0.caPem = try row.get("ca_pem", as: String?.self) ?? ""
        $0.private = try row.get("private")
        $0.publicNetwork = try row.get("on_public_network", as: Bool?.self) ?? false
      }
      return (ResourceKey(.upstream, id), .with { $0.upstream = upstream })
    }
  }

  private func offers(ids: [OfferID]?) async throws -> Found {
    try await transaction.query(
      """
      SELECT id, upstream_id, model, upstream_model, dialect, weight
      FROM offers_at($2) WHERE $1::uuid[] IS NULL OR id = ANY ($1) ORDER BY id
      """, ids, version
    ).map { row in
      let id: OfferID = try row.get("id")
      let offer = try WireOffer.with {
        $0.id = Data(id.bytes)
        $0.upstreamID = Data(try row.get("upstream_id", as: UpstreamID.self).bytes)
        $0.model = try row.get("model")
        $0.upstreamModel = try row.get("upstream_model")
        $0.dialect = WireDialect(rawValue: try row.get("dialect")) ?? .unspecified
        $0.weight = UInt32(clamping: try row.get("weight", as: Int64.self))
      }
      return (ResourceKey(.offer, id), .with { $0.offer = offer })
    }
  }

  private func teams(ids: [TeamID]?) async throws -> Found {
    try await transaction.query(
      """
      SELECT id, account_id, name, suspended, staleness_limit_seconds FROM teams_at($2)
      WHERE $1::uuid[] IS NULL OR id = ANY ($1) ORDER BY id
      """, ids, version
    ).map { row in
      let id: TeamID = try row.get("id")
      let team = try WireTeam.with {
        $0.id = Data(id.bytes)
        $0.accountID = Data(try row.get("account_id", as: AccountID.self).bytes)
        $0.name = try row.get("name")
        $0.suspended = try row.get("suspended")
        $0.stalenessLimitSeconds = UInt32(try row.get("staleness_limit_seconds", as: Int32?.self) ?? 0)
      }
      return (ResourceKey(.team, id), .with { $0.team = team })
    }
  }

  /// The usable ones of the given keys. What has been revoked since is not usable at an older version either.
  /// - Parameter asTheyWere: those that were usable at the version but for their end, whatever became of them
  private func keys(ids: [KeyID], asTheyWere: Bool = false) async throws -> Found {
    try await transaction.query(
      """
      SELECT past.id, past.team_id, past.digest, past.expires_at
      FROM keys_at($2) AS past JOIN teams_at($2) AS team ON team.id = past.team_id
      JOIN keys AS present ON present.id = past.id JOIN teams AS present_team ON present_team.id = past.team_id
      WHERE past.id = ANY ($1)
        AND past.revoked_at IS NULL AND NOT team.suspended
        AND ($3 OR ((past.expires_at IS NULL OR past.expires_at > now())
          AND present.revoked_at IS NULL AND NOT present_team.suspended))
      ORDER BY past.id
      """, ids, version, asTheyWere
    ).map(key)
  }

  /// The next keys in the order of their identifiers, packed by the database: a row for each of a million keys would
  /// cost more here than there.
  private func keyPage(after last: KeyID) async throws -> KeyPage? {
    let row = try await transaction.query(
      """
      SELECT string_agg(uuid_send(id) || uuid_send(team_id) || digest || int8send(expires), ''::bytea ORDER BY id) AS keys
      FROM (
        SELECT keys.id, team_id, digest,
          coalesce((extract(epoch FROM expires_at) * 1000000)::bigint, 0) AS expires
        FROM keys JOIN teams ON teams.id = team_id
        WHERE keys.id > $1
          AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AND NOT suspended
        ORDER BY keys.id LIMIT $2
      ) AS page
      """, last, Self.keysPerPage
    ).single()
    return try row.get("keys", as: [UInt8]?.self).flatMap(KeyPage.init)
  }

  private func key(_ row: PostgresRow) throws -> (key: ResourceKey, resource: WireResource) {
    let id: KeyID = try row.get("id")
    let key = try WireKey.with {
      $0.id = Data(id.bytes)
      $0.teamID = Data(try row.get("team_id", as: TeamID.self).bytes)
      $0.digest = Data(try row.get("digest", as: [UInt8].self))
      $0.expiresAt = try row.get("expires_at", as: PostgresTimestamp?.self)?.microseconds ?? 0
    }
    return (ResourceKey(.key, id), .with { $0.key = key })
  }

  /// The keys that changed after the version, by themselves or with their team.
  private func keysChangedSince() async throws -> [KeyID] {
    let rows = try await transaction.query(
      """
      SELECT resource::uuid AS id FROM configuration_changes WHERE kind = 'key' AND version > $1
      UNION
      SELECT id FROM keys WHERE team_id IN (
        SELECT resource::uuid FROM configuration_changes WHERE kind = 'team' AND version > $1)
      """, version)
    return try rows.map { try $0.get("id") }
  }

  private func keyIDs(ofTeams teams: [TeamID]) async throws -> [KeyID] {
    guard !teams.isEmpty else { return [] }
    return try await transaction.query("SELECT id FROM keys_at($2) WHERE team_id = ANY ($1)", teams, version)
      .map {
        try $0.get("id")
      }
  }
}

/// Keys as the database packs them: as the contract does, but for the expiry, which is big-endian.
private struct KeyPage {
  private var bytes: Data
  let last: KeyID

  /// - Returns: nil for an empty page
  init?(_ bytes: [UInt8]) {
    let size = KeyRecord.packedBytes
    guard bytes.count >= size, bytes.count % size == 0,
      let last = KeyID(bytes: bytes[(bytes.count - size)..<(bytes.count - size + 16)])
    else { return nil }
    self.last = last
    self.bytes = Data(bytes)
    self.bytes.withUnsafeMutableBytes { space in
      for end in stride(from: size, through: space.count, by: size) {
        let expiry = space.loadUnaligned(fromByteOffset: end - 8, as: UInt64.self)
        space.storeBytes(of: expiry.byteSwapped, toByteOffset: end - 8, as: UInt64.self)
      }
    }
  }

  func keys(without excluded: Set<KeyID>) -> Data {
    if excluded.isEmpty { return bytes }
    var rest = PackedKeys(expecting: bytes.count / KeyRecord.packedBytes)
    PackedKeys.forEach(in: bytes) { key in
      if !excluded.contains(key.id) { rest.append(key) }
    }
    return rest.bytes
  }
}

// MARK: The contract's words

extension UpstreamProtocol {
  var wire: WireUpstreamProtocol {
    switch self {
    case .http1: .http1
    case .http2: .http2
    case .negotiated: .negotiated
    }
  }
}

extension CredentialStyle {
  var wire: WireCredentialStyle {
    switch self {
    case .none: .none
    case .bearer: .bearer
    case .apiKey: .apiKey
    }
  }
}

extension ResourceKey {
  /// - Returns: nothing for an id that is not one
  package var wire: WireResourceReference? {
    switch kind {
    case .region: .with { $0.region = id }
    case .upstream: UpstreamID(id).map { id in .with { $0.upstream = Data(id.bytes) } }
    case .offer: OfferID(id).map { id in .with { $0.offer = Data(id.bytes) } }
    case .team: TeamID(id).map { id in .with { $0.team = Data(id.bytes) } }
    case .key: KeyID(id).map { id in .with { $0.key = Data(id.bytes) } }
    }
  }
}
