// Tells every follower of this replica that there is a newer version, and reads each update once for all who need it.

import Logging
import Postgres
import StraitProtocol

/// Followers wait here for newer versions. None of them has a queue: a slow follower finds only the newest version when
/// it comes back, and takes one delta to it.
package actor ConfigurationPublisher {
  private let reader: ConfigurationReader
  private let counter: ContentCounter
  private let logger: Logger
  private var ceilings = VersionCeilings(newest: 0, everywhere: 0)
  private var turn: UInt64 = 0
  private var adoptedTurn: UInt64 = 0
  private var followers: [Int: AsyncStream<Void>.Continuation] = [:]
  private var nextFollower = 0
  private var stopped = false
  /// Reads under way or done since the last news.
  private var updates: [VersionStep: Task<ConfigurationParts, any Error>] = [:]

  /// Beside them, for edges that stand on the first of the two versions.
  private var confirmations: [VersionStep: Task<WireConfirmedRemovals?, any Error>] = [:]

  /// The last large snapshot, for whoever else needs one soon: a delta takes them from there to the present. Without it
  /// every change while it is sent would be a reason to read everything again for the next.
  private var snapshot: LargeSnapshot?

  private struct LargeSnapshot {
    let version: UInt64
    let task: Task<ConfigurationParts, any Error>
    let startedAt: ContinuousClock.Instant
    /// What is only tried on some edges is not for those who come later: it may have been taken back by then.
    let wasEverywhere: Bool
    /// Small ones are read anew. While it is being read, nobody knows how large it is.
    var isSmall: Bool?
  }

  package static let snapshotSeconds = 30.0
  /// A snapshot of fewer parts is read in less time than it takes to wonder.
  private static let largeParts = 4

  private struct VersionStep: Hashable {
    let from: UInt64
    let to: UInt64
  }

  package init(reader: ConfigurationReader, logger: Logger) {
    self.reader = reader
    counter = ContentCounter(reader: reader, logger: logger)
    self.logger = logger
  }

  // MARK: For followers

  package var newestVersion: UInt64 { ceilings.newest }

  /// The newest version that an edge may have by now.
  package func ceiling(for edge: EdgeIdentity) -> UInt64 { ceilings.ceiling(for: edge) }

  /// A signal for each piece of news, the last of several only. It ends when the publisher stops.
  package func follow() -> (id: Int, signals: AsyncStream<Void>) {
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let id = nextFollower
    nextFollower += 1
    if stopped { continuation.finish() } else { followers[id] = continuation }
    return (id, signals)
  }

  package func unfollow(_ id: Int) {
    followers.removeValue(forKey: id)?.finish()
  }

  /// The update from one version to another. Followers that take the same step share one read.
  /// - Parameter standing: what the edge runs; it would refuse a snapshot of an older version
  package func update(
    from version: UInt64, to target: UInt64, standing: UInt64
  ) async throws -> ConfigurationParts {
    if version == 0 { return try await wholeUpdate(to: target, standing: standing) }
    let step = VersionStep(from: version, to: target)
    if let task = updates[step] { return try await task.value }
    let task = Task { [reader, counter] in
      var update = try await reader.update(from: version, to: target)
      if let sums = update.sums, update.isOfNewest {
        await counter.learn(sums, now: Moment.now.microseconds)
      } else if update.isOfNewest {
        update.check = await counter.check(of: update.version, now: Moment.now.microseconds)
      }
      return update
    }
    updates[step] = task
    do {
      return try await task.value
    } catch {
      updates[step] = nil
      throw error
    }
  }

  /// What an edge on one version may find gone at another without a doubt.
  package func confirmedRemovals(
    since: UInt64, through version: UInt64
  ) async throws -> WireConfirmedRemovals? {
    guard since > 0, since < version else { return nil }
    let step = VersionStep(from: since, to: version)
    if let task = confirmations[step] { return try await task.value }
    let task = Task { [reader] in try await reader.confirmedRemovals(since: since, through: version) }
    confirmations[step] = task
    do {
      return try await task.value
    } catch {
      confirmations[step] = nil
      throw error
    }
  }

  /// By what an edge's word of what it holds at the newest version is judged; nil at others, and where that is not known.
  package func knownCheck(of version: UInt64, fromDay day: UInt32) async -> ContentCheck? {
    guard version == ceilings.newest else { return nil }
    return await counter.knownCheck(of: version, fromDay: day, now: Moment.now.microseconds)
  }

  private func wholeUpdate(to target: UInt64, standing: UInt64) async throws -> ConfigurationParts {
    dropOldSnapshot()
    if let snapshot,
      snapshot.version == target
        || (snapshot.isSmall != true && snapshot.wasEverywhere && snapshot.version < target
          && snapshot.version >= standing)
    {
      return try await snapshot.task.value
    }
    let task = Task { [reader, counter] in
      let update = try await reader.update(from: 0, to: target)
      if update.isOfNewest, let sums = update.sums { await counter.learn(sums, now: Moment.now.microseconds) }
      return update
    }
    snapshot = LargeSnapshot(
      version: target, task: task, startedAt: .now, wasEverywhere: target <= ceilings.everywhere)
    do {
      let parts = try await task.value
      if snapshot?.task == task { snapshot?.isSmall = parts.parts.count < Self.largeParts }
      return parts
    } catch {
      if snapshot?.task == task { snapshot = nil }
      throw error
    }
  }

  private func dropOldSnapshot() {
    guard let snapshot, .now - snapshot.startedAt > .seconds(Self.snapshotSeconds) else { return }
    self.snapshot = nil
  }

  // MARK: For those who hear of versions

  private func adopt(_ news: VersionCeilings, askedAt turn: UInt64) {
    // Of two answers that cross, the one asked for later counts.
    guard turn > adoptedTurn else { return }
    adoptedTurn = turn
    guard news != ceilings else { return }
    let isFirst = ceilings.newest == 0
    ceilings = news
    if isFirst { Task { [counter] in await counter.begin(at: news.newest) } }
    updates = [:]
    confirmations = [:]
    if snapshot?.isSmall == true { snapshot = nil }
    for continuation in followers.values { continuation.yield() }
  }

  /// Asks the database how far each edge may go.
  package func refresh() async {
    dropOldSnapshot()
    turn += 1
    let turn = turn
    do {
      adopt(try await reader.ceilings(), askedAt: turn)
    } catch {
      logger.warning("cannot read the newest configuration version", metadata: ["error": "\(error)"])
    }
  }

  package func stop() {
    stopped = true
    for continuation in followers.values { continuation.finish() }
    followers = [:]
  }
}
