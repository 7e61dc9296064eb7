// Hands every watcher of this replica the revocations that it lacks: the latest from memory, older ones from the database.

import Logging
import Postgres
import StraitProtocol

package actor RevocationPublisher {
  private let pool: PostgresPool
  private let lineage: LineageID
  private let logger: Logger
  /// In order, without a gap behind `floor`.
  private var recent: [WireRevocation] = []
  private var floor: UInt64 = 0
  private var newest: UInt64 = 0
  private var hasRead = false
  private var isReading = false
  private var readsAgain = false
  private var watchers: [Int: AsyncStream<Void>.Continuation] = [:]
  private var nextWatcher = 0
  private var stopped = false

  private let acknowledgements: Gathering<(EdgeID, UInt64), Void>

  static let pageCount = 1000
  static let recentCount = 10_000

  /// - Parameter pool: its own, so that it waits for nobody's snapshot
  package init(pool: PostgresPool, lineage: LineageID, logger: Logger) {
    self.pool = pool
    self.lineage = lineage
    self.logger = logger
    acknowledgements = Gathering { said in
      // Of one edge the last counts.
      try await RevocationStore.acknowledge(Dictionary(said) { $1 }, on: pool)
      return said.map { _ in }
    }
  }

  // MARK: For watchers

  /// A signal for whatever is new, the last of several only. It ends when the publisher stops.
  package func watch() -> (id: Int, signals: AsyncStream<Void>) {
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let id = nextWatcher
    nextWatcher += 1
    if stopped { continuation.finish() } else { watchers[id] = continuation }
    return (id, signals)
  }

  package func unwatch(_ id: Int) {
    watchers.removeValue(forKey: id)?.finish()
  }

  /// The next ones behind `number`, in order; empty when there are none.
  package func next(after number: UInt64) async throws -> [WireRevocation] {
    if hasRead, number >= newest { return [] }
    if hasRead, number >= floor {
      let start = recent.partitioningIndex { $0.number > number }
      return Array(recent[start...].prefix(Self.pageCount))
    }
    return try await RevocationStore.after(number, limit: Self.pageCount, lineage: lineage, on: pool)
  }

  /// Without the suspensions that were lifted since, for an edge that was away meanwhile: it would refuse the team until it
  /// has the configuration, and nobody would know why.
  package func standing(_ page: [WireRevocation]) async throws -> [WireRevocation] {
    let teams = page.filter { if case .teamID? = $0.subject { true } else { false } }
    guard !teams.isEmpty else { return page }
    let lifted = try await RevocationStore.lifted(among: teams.map(\.number), on: pool)
    return page.filter { !lifted.contains($0.number) }
  }

  /// What an edge is to be sent next: everything where it has a number that is not of this database.
  package func start(from number: UInt64, of lineage: [UInt8]) async throws -> UInt64 {
    guard lineage == self.lineage.bytes else { return 0 }
    if hasRead, number <= newest { return number }
    // Another replica may have sent what is not known here yet.
    let newest = try await RevocationStore.newest(on: pool)
    return number <= newest ? number : 0
  }

  // MARK: Said by edges

  /// Writes down that the edge has everything up to `number` in force and on its disk.
  package nonisolated func acknowledge(_ number: UInt64, by edge: EdgeID) async throws {
    try await acknowledgements.ask((edge, number))
  }

  // MARK: For those who hear of revocations

  /// Reads what is new. Calls that come meanwhile make one more read.
  package func refresh() async {
    guard !isReading else {
      readsAgain = true
      return
    }
    isReading = true
    repeat {
      readsAgain = false
      do {
        try await readOn()
      } catch {
        logger.warning("cannot read revocations", metadata: ["error": "\(error)"])
      }
    } while readsAgain
    isReading = false
  }

  private func readOn() async throws {
    if !hasRead {
      floor = try await RevocationStore.newest(on: pool)
      newest = floor
      hasRead = true
      wakeAll()
    }
    while true {
      let page = try await RevocationStore.after(newest, limit: Self.pageCount, lineage: lineage, on: pool)
      guard let last = page.last else { return }
      recent += page
      newest = last.number
      if recent.count > Self.recentCount {
        floor = recent[recent.count - Self.recentCount - 1].number
        recent.removeFirst(recent.count - Self.recentCount)
      }
      wakeAll()
    }
  }

  private func wakeAll() {
    for continuation in watchers.values { continuation.yield() }
  }

  package func stop() {
    stopped = true
    for continuation in watchers.values { continuation.finish() }
    watchers = [:]
  }
}

extension Array {
  /// The first index whose element, and with it all that follow, satisfies the predicate.
  fileprivate func partitioningIndex(_ isBehind: (Element) -> Bool) -> Int {
    var (low, high) = (startIndex, endIndex)
    while low < high {
      let middle = (low + high) / 2
      if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
