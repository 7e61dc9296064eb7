// One edge's stream: a writer that sends what is newer, and a reader that takes what the edge says.

import GRPCCore
import Logging
import Postgres
import StraitControlLink
import StraitProtocol
import Synchronization

final class FollowStream: Sendable {
  typealias Statuses = RPCAsyncSequence<WireConfigurationStatus, any Error>

  /// What the edge reports is written down so often at the most.
  static let reportSeconds = 1.0

  private let id = newUUID()
  private let identity: EdgeIdentity
  private let pool: PostgresPool
  private let publisher: ConfigurationPublisher
  private let rollouts: RolloutCoordinator
  private let leaves: EdgeLeaves
  private let lineage: LineageID
  private let logger: Logger
  private let shared: Mutex<Shared>

  private struct Shared {
    /// Nothing before the edge has said hello.
    var follow: FollowState?
    var level = ContractLevel.first
    var report = EdgeStore.Report()
    var stored: EdgeStore.Report?
    var storedAt: ContinuousClock.Instant?
    /// What the edge says that it holds, until that is judged.
    var claim: ContentClaim?
    /// Something newer had been made when this was sent: what had been revoked in it may be missing here.
    var incomparable: UInt64?
    /// Of the newest report, and of the one that was answered last.
    var mark: Int64 = 0
    var answeredMark: Int64 = 0
  }

  init(
    identity: EdgeIdentity, pool: PostgresPool, publisher: ConfigurationPublisher,
    rollouts: RolloutCoordinator, leaves: EdgeLeaves, lineage: LineageID, logger: Logger
  ) {
    self.identity = identity
    self.pool = pool
    self.publisher = publisher
    self.rollouts = rollouts
    self.leaves = leaves
    self.lineage = lineage
    var logger = logger
    logger[metadataKey: "edge"] = "\(identity.edge)"
    self.logger = logger
    shared = Mutex(Shared())
  }

  /// Runs until the edge leaves, the publisher stops, or the edge is evicted.
  func run(_ statuses: Statuses, _ response: RPCWriter<WireConfigurationUpdate>) async throws {
    let (follower, signals) = await publisher.follow()
    let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await self.write(on: wakes, to: response) }
        group.addTask { for await _ in signals { wake.yield() } }
        group.addTask { try await self.read(statuses, wake: wake) }
        // Whichever side ends first ends the stream.
        try await group.next()
        group.cancelAll()
      }
    } catch {
      await leave(follower)
      throw error
    }
    await leave(follower)
  }

  // MARK: Down

  private func write(on wakes: AsyncStream<Void>, to response: RPCWriter<WireConfigurationUpdate>)
    async throws
  {
    for await _ in wakes {
      while let (from, target) = await nextStep() {
        let update = try await publisher.update(
          from: from, to: target, standing: shared.withLock { $0.follow?.acknowledged ?? 0 })
        guard let (level, standing) = begin(update, asked: from, target: target) else { continue }
        // A delta is for who has what it goes on from; a snapshot finds whatever the edge runs.
        let confirmed = try await publisher.confirmedRemovals(
          since: from > 0 ? from : standing, through: update.version)
        for part in update.parts {
          var seen = update.part(part, asSeenFrom: identity.region.text)
          if part.last, let confirmed { seen.confirmedRemovals = confirmed }
          try await response.write(seen.understood(at: level))
        }
      }
      if let mark = await dueAnswer() { try await response.write(.with { $0.inStep = mark }) }
    }
  }

  private func nextStep() async -> (from: UInt64, target: UInt64)? {
    // A replica that has just started knows of no version yet.
    if await publisher.newestVersion == 0 { await publisher.refresh() }
    let ceiling = await publisher.ceiling(for: identity)
    guard ceiling > 0 else { return nil }
    return shared.withLock { shared in
      guard let follow = shared.follow else { return nil }
      let target = follow.target(ceiling: ceiling)
      return follow.next(newest: target).map { ($0, target) }
    }
  }

  /// - Returns: what the edge understands and what it runs; nil where the update is not what it is to be sent any more
  private func begin(
    _ update: ConfigurationParts, asked: UInt64, target: UInt64
  ) -> (ContractLevel, standing: UInt64)? {
    shared.withLock { shared in
      let from = update.parts.first?.fromVersion ?? 0
      guard
        shared.follow?.send(from: from, to: update.version, asked: asked, newest: target) == true
      else { return nil }
      if !update.isOfNewest { shared.incomparable = update.version }
      return (shared.level, shared.follow?.acknowledged ?? 0)
    }
  }

  /// The mark to answer, once the edge has all that it is to have.
  private func dueAnswer() async -> Int64? {
    let target = await publisher.ceiling(for: identity)
    return shared.withLock { shared in
      guard shared.mark != shared.answeredMark, target > 0, shared.follow?.isInStep(newest: target) == true
      else { return nil }
      shared.answeredMark = shared.mark
      return shared.mark
    }
  }

  // MARK: Up

  private func read(_ statuses: Statuses, wake: AsyncStream<Void>.Continuation) async throws {
    for try await status in statuses {
      let greeted = shared.withLock { $0.follow != nil }
      switch status.event {
      case .hello(let hello) where !greeted:
        try await begin(hello)
        wake.yield()
      case .acknowledgement(let acknowledgement) where greeted:
        acknowledge(acknowledgement)
      case .refusal(let refusal) where greeted:
        refuse(refusal, wake)
      case .report(let report) where greeted:
        shared.withLock {
          $0.report.spooledRecords = report.spooledRecords
          $0.report.lostRecords = report.lostRecords
          if report.certificateExpiresAt > 0 {
            $0.report.certificateExpiresAt = Moment(microseconds: report.certificateExpiresAt)
          }
          $0.report.take(ExchangeCounts(ended: report.endedExchanges, failed: report.failedExchanges))
          $0.mark = report.mark
        }
      case nil where greeted:
        // A kind of word that edges of a later version have.
        break
      default:
        throw Refusal.invalid("a hello comes first and once, and this message is not what is due")
      }
      await judgeClaim(wake)
      try await storeReport()
      // Not before the database has been heard: a control plane without one does not know what is newest.
      if shared.withLock({ $0.mark != $0.answeredMark }) { wake.yield() }
    }
  }

  private func begin(_ hello: WireConfigurationHello) async throws {
    // Another replica may have told it of a version that was not heard of here yet; a newcomer begins with all there is.
    let isUnheard = hello.version > (await publisher.newestVersion)
    if isUnheard || hello.version == 0 { await publisher.refresh() }
    let newest = await publisher.newestVersion
    let follow = FollowState(
      holding: hello.version, ofLineage: Array(hello.lineage), here: lineage, newest: newest)
    let refused = try await EdgeStore.beginStream(
      id, edge: identity.edge, holding: follow.acknowledged,
      softwareVersion: EdgeText.shown(hello.softwareVersion), baseURL: EdgeText.shown(hello.baseURL),
      on: pool)
    shared.withLock {
      $0.follow = follow
      $0.level = ContractLevel(hello: hello.contract)
      $0.report.version = follow.acknowledged
      $0.report.refusedVersion = refused?.version
      $0.report.refusal = refused?.reason
      if follow.acknowledged > 0 {
        $0.claim = ContentClaim(hello.version, hello.contentHash, fromDay: hello.hashedFromDay)
      }
    }
    logger.info("edge follows", metadata: ["version": "\(hello.version)", "newest": "\(newest)"])
  }

  private func acknowledge(_ acknowledgement: WireConfigurationAcknowledgement) {
    shared.withLock {
      $0.follow?.acknowledge(acknowledgement.version)
      $0.report.version = acknowledgement.version
      if acknowledgement.hasExchanges {
        let counts = acknowledgement.exchanges
        $0.report.take(ExchangeCounts(ended: counts.ended, failed: counts.failed))
        $0.report.beginsVersion = true
      }
      $0.report.refusedVersion = nil
      $0.report.refusal = nil
      $0.claim = ContentClaim(
        acknowledgement.version, acknowledgement.contentHash, fromDay: acknowledgement.hashedFromDay)
    }
  }

  /// Compares what the edge holds with what the version has, as soon as that is known here.
  private func judgeClaim(_ wake: AsyncStream<Void>.Continuation) async {
    let claim = shared.withLock { shared in
      // Who understands less holds something else than what is counted.
      shared.level >= .counted && shared.claim?.version != shared.incomparable ? shared.claim : nil
    }
    guard let claim, let check = await publisher.knownCheck(of: claim.version, fromDay: claim.fromDay)
    else { return }
    let isRight = claim.hash == check.hash(seenFrom: identity.region.text)
    let pause = shared.withLock { shared -> Double? in
      guard shared.claim == claim else { return nil }
      if isRight {
        shared.claim = nil
        return nil
      }
      guard let pause = shared.follow?.distrust(claim.version) else { return nil }
      shared.claim = nil
      shared.report.refusal = ContentClaim.doubt(claim.version)
      return pause
    }
    guard let pause else { return }
    logger.error(
      "edge holds something else than the version has; it is sent everything",
      metadata: ["version": "\(claim.version)"])
    goOn(after: pause, wake)
  }

  private func refuse(_ refusal: WireConfigurationRefusal, _ wake: AsyncStream<Void>.Continuation) {
    let reason = EdgeText.shown(refusal.reason)
    logger.error(
      "edge refused a configuration", metadata: ["version": "\(refusal.version)", "reason": "\(reason)"])
    let pause: Double = shared.withLock {
      // What is sent next will show whether the version is at fault, or nothing but the edge's own copy.
      let isOpen = refusal.kind == .ofBase && $0.follow?.isFinal(refusalOf: refusal.version) == false
      if !isOpen { $0.report.refusedVersion = refusal.version }
      $0.report.refusal = reason
      return $0.follow?.refuse(refusal.version) ?? 0
    }
    goOn(after: pause, wake)
  }

  private func goOn(after pause: Double, _ wake: AsyncStream<Void>.Continuation) {
    guard pause > 0 else {
      wake.yield()
      return
    }
    logger.warning("edge refuses one change after another", metadata: ["pause_seconds": "\(pause)"])
    // It outlives a stream that ends meanwhile, and wakes nobody then.
    Task { [weak self] in
      try await Task.sleep(for: .seconds(pause))
      self?.shared.withLock { $0.follow?.goOn() }
      wake.yield()
    }
  }

  /// Writes down at once what a person waits to see (versions, refusals), and the rest every few seconds.
  private func storeReport() async throws {
    let now = ContinuousClock.now
    let due: (report: EdgeStore.Report, isNews: Bool, isRefusal: Bool)? = shared.withLock { shared in
      let isNews =
        shared.stored?.version != shared.report.version
        || shared.stored?.refusedVersion != shared.report.refusedVersion
        || shared.stored?.refusal != shared.report.refusal
      let isOld = shared.storedAt.map { now - $0 >= .seconds(Self.reportSeconds) } ?? true
      guard isNews || isOld else { return nil }
      defer {
        shared.report.hasNewCounts = false
        shared.report.beginsVersion = false
      }
      let refused = shared.report.refusedVersion
      return (shared.report, isNews, refused != nil && refused != shared.stored?.refusedVersion)
    }
    guard let (due, isNews, isRefusal) = due else { return }
    guard try await EdgeStore.store(due, stream: id, edge: identity.edge, on: pool) else {
      try await EdgeStore.standing(of: identity, on: pool).requireAdmitted()
      throw Refusal(.unauthorised, "the edge follows on another stream")
    }
    shared.withLock {
      $0.stored = due
      $0.storedAt = now
    }
    if isRefusal {
      // Before the edge can say that it took the same version whole, which would take its refusal back.
      await rollouts.decide()
    } else if isNews {
      rollouts.look()
    }
  }

  private func leave(_ follower: Int) async {
    await publisher.unfollow(follower)
    logger.info("edge left")
    do {
      // The stream's task may be cancelled by now; the row is put right all the same.
      try await leaves.leave(identity.edge, stream: id)
      rollouts.look()
    } catch {
      logger.warning("cannot write down that the edge left", metadata: ["error": "\(type(of: error))"])
    }
  }
}
