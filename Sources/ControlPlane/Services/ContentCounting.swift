// What the newest version comes to, counted once over everything and from then on by what changes.

import Logging
import Postgres
import StraitProtocol

/// What came of counting one version.
enum ContentCount: Sendable {
  case counted(ContentSums)
  /// There is a newer version by now.
  case notNewest
  /// Too much changed, or in a way that does not tell what it was: only everything tells.
  case untold
}

extension ConfigurationReader {
  /// Beyond so many resources a version is not counted from the one before, which would hold up the update that asks.
  static let countedChanges = 20_000

  /// What the version comes to, from everything that it has.
  func count(_ version: UInt64) async throws -> ContentCount {
    try await pool.transaction(isolation: .repeatableRead) { transaction in
      guard try await ChangeStore.newestVersion(on: transaction) == version else { return .notNewest }
      let store = store(reading: transaction, at: version)
      let hidden = try await store.privateUpstreams()
      var sums = ContentSums(version: version)
      try await store.readAll {
        try sums.add($0, hidden: hidden)
      } packedKeys: {
        sums.add(packedKeys: $0)
      }
      return .counted(sums)
    }
  }

  /// What the version comes to, from what an older one came to.
  func count(_ version: UInt64, after known: ContentSums) async throws -> ContentCount {
    try await pool.transaction(isolation: .repeatableRead) { transaction in
      guard try await ChangeStore.newestVersion(on: transaction) == version else { return .notNewest }
      guard known.version <= version, known.version >= (try await ChangeStore.oldestBase(on: transaction))
      else { return .untold }
      let changed = try await ChangeStore.changes(after: known.version, through: version, on: transaction)
      guard changed.count <= Self.countedChanges else { return .untold }
      let before = store(reading: transaction, at: known.version)
      let after = store(reading: transaction, at: version)
      guard let was = try await before.counted(changed, keysAtMost: Self.countedChanges),
        let present = try await after.counted(changed, keysAtMost: Self.countedChanges)
      else { return .untold }
      // Of most changes nothing is private.
      let isOfCatalogue = changed.contains { $0.kind == .upstream || $0.kind == .offer }
      let hiddenBefore = isOfCatalogue ? try await before.privateUpstreams() : PrivateUpstreams()
      let hidden = isOfCatalogue ? try await after.privateUpstreams() : PrivateUpstreams()
      // The offers of an upstream that becomes private, or public, are not among what changed.
      guard !Self.changesHomes(was, hiddenBefore, present, hidden) else { return .untold }
      var sums = ContentSums(known, as: version)
      for resource in was { try sums.remove(resource, hidden: hiddenBefore) }
      for resource in present { try sums.add(resource, hidden: hidden) }
      return .counted(sums)
    }
  }

  /// Whether an upstream that stays is another region's alone than before, or is no region's alone any more.
  private static func changesHomes(
    _ was: [WireResource], _ hiddenBefore: PrivateUpstreams, _ present: [WireResource],
    _ hidden: PrivateUpstreams
  ) -> Bool {
    let staying = Set(present.map(\.upstream.id))
    return was.contains { resource in
      guard case .upstream(let upstream) = resource.kind, staying.contains(upstream.id) else { return false }
      return hiddenBefore.home(of: resource) != hidden.home(of: resource)
    }
  }

  func store(reading transaction: PostgresTransaction, at version: UInt64) -> ConfigurationStore {
    ConfigurationStore(reading: transaction, at: version) { [key] sealed, upstream in
      try key.open(sealed, for: .upstreamCredential(upstream))
    }
  }
}

/// Keeps the newest count. A replica counts everything when it starts, beside what it sends; until it has, there are no
/// hashes with changes, which edges take as they are.
actor ContentCounter {
  private let reader: ConfigurationReader
  private let logger: Logger
  private var known: ContentSums? {
    didSet { judged = nil }
  }
  /// Many edges come to one version at once.
  private var judged: ContentCheck?
  private var counting: Task<Void, Never>?
  /// Takes seconds where there are a million keys, and nobody waits for it.
  private var isCountingAll = false

  init(reader: ConfigurationReader, logger: Logger) {
    self.reader = reader
    self.logger = logger
  }

  func begin(at version: UInt64) {
    if known == nil, version > 0 { countAll(version) }
  }

  /// - Parameters:
  ///   - sums: counted over everything, of a version that was the newest
  ///   - now: microseconds since 1970
  func learn(_ sums: ContentSums, now: Int64) {
    guard isNews(sums) else { return }
    let day = KeySums.firstDay(now: now)
    if let known, known.version == sums.version,
      ContentCheck(known, fromDay: day) != ContentCheck(sums, fromDay: day)
    {
      logger.error(
        "what changed does not come to what there is; edges that refuse it get everything",
        metadata: ["version": "\(sums.version)"])
    }
    known = sums
  }

  /// What edges check a delta to the version by; nil where it is not known.
  /// - Parameter now: microseconds since 1970
  func check(of version: UInt64, now: Int64) async -> ContentCheck? {
    while let counting { await counting.value }
    if known?.version != version { await count(version) }
    guard let known, known.version == version else { return nil }
    return ContentCheck(known, fromDay: KeySums.firstDay(now: now))
  }

  /// By what an edge's word of what it holds is judged; nil where that is not known, and nothing is counted for it.
  /// - Parameter now: microseconds since 1970
  func knownCheck(of version: UInt64, fromDay day: UInt32, now: Int64) -> ContentCheck? {
    guard let known, known.version == version, ContentCheck.isCountable(fromDay: day, now: now) else {
      return nil
    }
    if let judged, judged.version == version, judged.fromDay == day { return judged }
    judged = ContentCheck(known, fromDay: day)
    return judged
  }

  private func count(_ version: UInt64) async {
    guard let base = known else { return countAll(version) }
    guard base.version < version else { return }
    let task = Task { await self.goOn(from: base, to: version) }
    counting = task
    await task.value
  }

  private func goOn(from base: ContentSums, to version: UInt64) async {
    defer { counting = nil }
    do {
      switch try await reader.count(version, after: base) {
      case .counted(let sums): if isNews(sums) { known = sums }
      case .notNewest: break
      case .untold:
        // Where the one cannot be told from the other now, it cannot later either.
        if known?.version == base.version { known = nil }
        countAll(version)
      }
    } catch {
      warn(error)
    }
  }

  private func countAll(_ version: UInt64) {
    guard !isCountingAll else { return }
    isCountingAll = true
    Task {
      defer { isCountingAll = false }
      do {
        if case .counted(let sums) = try await reader.count(version) {
          learn(sums, now: Moment.now.microseconds)
        }
      } catch {
        warn(error)
      }
    }
  }

  private func isNews(_ sums: ContentSums) -> Bool { (known?.version ?? 0) <= sums.version }

  private func warn(_ error: any Error) {
    logger.warning("cannot count what the configuration comes to", metadata: ["error": "\(type(of: error))"])
  }
}
