// Reads configuration for edges out of the database: a version, whole or as a delta, cut into parts.

import Foundation
import Postgres
import StraitProtocol

/// What an edge holds, as it says itself.
package struct EdgeConfiguration: Sendable, Equatable {
  package var lineage: [UInt8]
  /// 0 for none.
  package var version: UInt64

  package init(lineage: [UInt8], version: UInt64) {
    self.lineage = lineage
    self.version = version
  }
}

package struct ConfigurationReader: Sendable {
  let pool: PostgresPool
  let lineage: LineageID
  let key: KeyEncryptionKey

  /// A part is closed before it grows beyond this.
  package static let partBytes = SnapshotParts.partBytes
  /// Beyond this many changes a snapshot is the smaller answer.
  package static let maximumChanges = 200_000

  package init(pool: PostgresPool, lineage: LineageID, key: KeyEncryptionKey) {
    self.pool = pool
    self.lineage = lineage
    self.key = key
  }

  package func ceilings() async throws -> VersionCeilings {
    try await RolloutStore.ceilings(on: pool)
  }

  /// What may be gone for an edge that stands on one version and gets another, because an operator said so.
  package func confirmedRemovals(
    since: UInt64, through version: UInt64
  ) async throws -> WireConfirmedRemovals? {
    guard let confirmed = try await ConfirmationStore.confirmed(after: since, through: version, on: pool)
    else {
      return nil
    }
    return try await pool.transaction(isolation: .repeatableRead) { transaction in
      // What came before the history cannot be counted.
      guard since >= (try await HistoryStore.bounds(on: transaction)).oldest else { return nil }
      return try await ConfirmationStore.removals(since: since, through: confirmed, on: transaction)
    }
  }

  /// What takes an edge from one version to another: a delta where the log of changes reaches back so far.
  /// - Parameters:
  ///   - version: 0 for a snapshot
  ///   - target: that or an older one where the database has been put back since
  package func update(from version: UInt64, to target: UInt64) async throws -> ConfigurationParts {
    try await pool.transaction(isolation: .repeatableRead) { transaction in
      let newest = try await ChangeStore.newestVersion(on: transaction)
      let target = min(target, newest)
      let store = store(reading: transaction, at: target)
      let hidden = try await store.privateUpstreams()
      if var delta = try await delta(from: version, to: target, store, on: transaction) {
        delta.hidden = hidden
        delta.isOfNewest = target == newest
        return delta
      }
      var parts = PartBuilder(lineage: lineage, from: 0, to: target)
      var sums = ContentSums(version: target)
      try await store.readAll { resource in
        parts.append(resource)
        try sums.add(resource, hidden: hidden)
      } packedKeys: { packed in
        parts.append(packedKeys: packed)
        sums.add(packedKeys: packed)
      }
      var snapshot = parts.finished()
      snapshot.hidden = hidden
      snapshot.isOfNewest = target == newest
      snapshot.sums = sums
      snapshot.check = ContentCheck(sums, fromDay: 0)
      return snapshot
    }
  }

  private func delta(
    from version: UInt64, to target: UInt64, _ store: ConfigurationStore, on transaction: PostgresTransaction
  ) async throws -> ConfigurationParts? {
    guard version > 0, version <= target else { return nil }
    guard version >= (try await ChangeStore.oldestBase(on: transaction)) else { return nil }
    var changed = try await ChangeStore.changes(after: version, through: target, on: transaction)
    guard changed.count <= Self.maximumChanges else { return nil }
    changed += try await offersOfMoved(changed, from: version, store, on: transaction)
    let (upserts, removals) = try await store.read(changed)
    var parts = PartBuilder(lineage: lineage, from: version, to: target)
    upserts.forEach { parts.append($0) }
    removals.forEach { parts.append(removal: $0) }
    return parts.finished()
  }

  /// The offers of upstreams that become private, or are so no more: for edges of other regions they go or come with them.
  private func offersOfMoved(
    _ changed: [ResourceKey], from version: UInt64, _ store: ConfigurationStore,
    on transaction: PostgresTransaction
  ) async throws -> [ResourceKey] {
    let upstreams = changed.compactMap { $0.kind == .upstream ? UpstreamID($0.id) : nil }
    guard !upstreams.isEmpty else { return [] }
    let before = try await self.store(reading: transaction, at: version).privateUpstreams()
    let after = try await store.privateUpstreams()
    let moved = upstreams.filter { before.home(of: $0) != after.home(of: $0) }
    guard !moved.isEmpty else { return [] }
    let named = Set(changed)
    return try await store.offers(of: moved).map { ResourceKey(.offer, $0) }.filter { !named.contains($0) }
  }
}

/// One update as it goes to an edge; the last part is marked.
package struct ConfigurationParts: Sendable {
  package let version: UInt64
  package let parts: [WireConfigurationUpdate]
  /// What only edges of some regions may have of it.
  package var hidden = PrivateUpstreams()
  /// Read when there was no newer version. At an older one, what has been revoked since is left out for newcomers, and edges
  /// that were there before have it still.
  var isOfNewest = false
  /// Of a whole configuration, for who counts on from there.
  var sums: ContentSums?
  /// By which edges check what they come to; nil where that is not known.
  package var check: ContentCheck?

  /// A part as edges of the region get it.
  package func part(_ part: WireConfigurationUpdate, asSeenFrom region: String) -> WireConfigurationUpdate {
    var seen = hidden.part(part, asSeenFrom: region)
    if part.last, let check {
      seen.contentHash = check.hash(seenFrom: region)
      seen.hashedFromDay = check.fromDay
    }
    return seen
  }
}

/// Cuts an update into parts. What a part gets is collected beside the message, which would copy it at every change.
struct PartBuilder {
  private let template: WireConfigurationUpdate
  private var upserts: [WireResource] = []
  private var removals: [WireResourceReference] = []
  private var packedKeys = Data()
  private var currentBytes = 0
  private var parts: [WireConfigurationUpdate] = []

  init(lineage: LineageID, from: UInt64, to: UInt64) {
    template = .with {
      $0.lineage = Data(lineage.bytes)
      $0.fromVersion = from
      $0.version = to
    }
  }

  mutating func append(_ resource: WireResource) {
    if case .key(let key) = resource.kind, let record = KeyRecord(key) {
      var packed = PackedKeys(expecting: 1)
      packed.append(record)
      return append(packedKeys: packed.bytes)
    }
    makeRoom(for: resource.bytesAtMost)
    upserts.append(resource)
  }

  /// - Parameter packed: less than a part may have
  mutating func append(packedKeys packed: Data) {
    makeRoom(for: packed.count)
    packedKeys.append(packed)
  }

  mutating func append(removal key: ResourceKey) {
    guard let reference = key.wire else { return }
    makeRoom(for: 64)
    removals.append(reference)
  }

  consuming func finished() -> ConfigurationParts {
    close(last: true)
    return ConfigurationParts(version: template.version, parts: parts)
  }

  /// - Parameter bytes: of the resource; its tag and length come on top
  private mutating func makeRoom(for bytes: Int) {
    if currentBytes + bytes + 8 > ConfigurationReader.partBytes && currentBytes > 0 { close(last: false) }
    currentBytes += bytes + 8
  }

  private mutating func close(last: Bool) {
    var part = template
    part.last = last
    part.upserts = upserts
    part.removals = removals
    part.packedKeys = packedKeys
    parts.append(part)
    (upserts, removals, packedKeys, currentBytes) = ([], [], Data(), 0)
  }
}
