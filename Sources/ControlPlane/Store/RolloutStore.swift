// Rollouts: how far each version has come, and what its edges are watched for. Every replica reads its decisions here.

import AdminAPI
import Postgres
import StraitProtocol

package enum RolloutStore {
  /// An open rollout and whether it runs.
  struct Open {
    let rollout: Rollout
    let isHalted: Bool
  }

  /// Finished ones beyond so many are forgotten: every change of a key makes one.
  static let kept: Int64 = 10_000

  // MARK: Reading

  package static func ceilings(on session: some PostgresSession) async throws -> VersionCeilings {
    let row = try await session.query(
      """
      SELECT version, everywhere, target, stage, canary, region
      FROM configuration_state LEFT JOIN rollouts ON state = 'running'
      """
    ).single()
    var staged: VersionCeilings.Staged?
    if let target = try row.get("target", as: Int64?.self) {
      staged = VersionCeilings.Staged(
        target: UInt64(clamping: target), stage: try stage(row), canary: try row.get("canary"),
        region: try row.get("region"))
    }
    return VersionCeilings(
      newest: try row.unsigned("version"), everywhere: try row.unsigned("everywhere"), staged: staged)
  }

  /// Whether there may be something to do: a rollout runs, or a version waits for one.
  static func isDue(on session: some PostgresSession) async throws -> Bool {
    try await session.query(
      """
      SELECT EXISTS (SELECT FROM rollouts WHERE state = 'running')
        OR everywhere < version AND NOT EXISTS (SELECT FROM rollouts WHERE state = 'halted') AS due
      FROM configuration_state
      """
    ).single().get("due")
  }

  static func open(on session: some PostgresSession) async throws -> Open? {
    let rows = try await session.query("SELECT * FROM rollouts WHERE state IN ('running', 'halted')")
    guard let row = rows.first else { return nil }
    let number: Int64 = try row.get("number")
    var watched: [EdgeID: Rollout.Watch] = [:]
    for row in try await session.query("SELECT * FROM rollout_edges WHERE rollout = $1", number) {
      watched[try row.get("edge")] = Rollout.Watch(
        atStart: ExchangeCounts(ended: try row.unsigned("ended"), failed: try row.unsigned("failed")),
        before: ExchangeCounts(
          ended: try row.unsigned("earlier_ended"), failed: try row.unsigned("earlier_failed")))
    }
    let rollout = Rollout(
      number: number, base: try row.unsigned("base"), target: try row.unsigned("target"),
      pace: Pace(rawValue: try row.get("pace")) ?? .watched, stage: try stage(row),
      canary: try row.get("canary"), region: try row.get("region"), lost: Int(try row.unsigned("lost")),
      stageBeganAt: try row.moment("stage_began_at"), watched: watched)
    return Open(rollout: rollout, isHalted: try row.get("state", as: String.self) == "halted")
  }

  /// Every edge that was not evicted, since when the control plane is there for them, and the database's own time, which
  /// all replicas share.
  static func edges(
    on session: some PostgresSession
  ) async throws -> (edges: [RolloutEdge], attendance: Attendance, now: Moment) {
    let rows = try await session.query(
      """
      SELECT id, region, version, acknowledged_at, refused_version, refusal, last_seen_at, stream_began_at,
        reported_at, ended_exchanges, failed_exchanges, earlier_ended_exchanges, earlier_failed_exchanges,
        stream_id IS NOT NULL AND last_seen_at > now() - interval '20 seconds' AS connected
      FROM edges WHERE evicted_at IS NULL ORDER BY id
      """)
    let edges = try rows.map { row in
      RolloutEdge(
        id: try row.get("id"), region: try row.get("region"), isConnected: try row.get("connected"),
        version: try row.unsigned("version"), acknowledgedAt: try row.optionalMoment("acknowledged_at"),
        refused: try row.get("refused_version", as: Int64?.self).map { UInt64(clamping: $0) },
        refusal: try row.get("refusal"), lastSeenAt: try row.optionalMoment("last_seen_at"),
        streamBeganAt: try row.optionalMoment("stream_began_at"),
        reportedAt: try row.optionalMoment("reported_at"),
        counts: ExchangeCounts(
          ended: try row.unsigned("ended_exchanges"), failed: try row.unsigned("failed_exchanges")),
        earlierCounts: ExchangeCounts(
          ended: try row.unsigned("earlier_ended_exchanges"),
          failed: try row.unsigned("earlier_failed_exchanges")))
    }
    let row = try await session.query(
      "SELECT clock_timestamp() AS now, since, before, noted_at FROM attendance"
    ).single()
    let now = try row.moment("now")
    let attendance = Attendance(
      since: try row.moment("since"), before: try row.moment("before"), notedAt: try row.moment("noted_at"),
      now: now)
    return (edges, attendance, now)
  }

  /// How carefully what came after `base` goes out: as carefully as the most delicate of it, where a rollback has not
  /// taken that back already.
  static func pace(after base: UInt64, on session: some PostgresSession) async throws -> Pace {
    let rows = try await session.query(
      """
      SELECT DISTINCT pace FROM configuration_versions
      WHERE version > $1 AND version >= coalesce(
        (SELECT max(version) FROM configuration_versions WHERE version > $1 AND restores IS NOT NULL), $1)
      """, Int64(clamping: base))
    let paces = try rows.map { Pace(rawValue: try $0.get("pace")) ?? .watched }
    return Pace.allCases.last { paces.contains($0) } ?? .watched
  }

  /// Whether a version brought an older one's content back.
  static func restores(_ version: UInt64, on session: some PostgresSession) async throws -> Bool {
    try await session.query(
      "SELECT FROM configuration_versions WHERE version = $1 AND restores IS NOT NULL",
      Int64(clamping: version)
    ).count == 1
  }

  /// Whether an earlier one from the same base came to a halt and was left behind: what its edges refused goes along.
  static func followsHalted(_ rollout: Rollout, on session: some PostgresSession) async throws -> Bool {
    try await session.query(
      """
      SELECT FROM rollouts WHERE base = $1 AND number < $2 AND state = 'superseded' AND reason IS NOT NULL LIMIT 1
      """, Int64(clamping: rollout.base), rollout.number
    ).count == 1
  }

  // MARK: Writing

  static func begin(
    base: UInt64, target: UInt64, pace: Pace, stage: RolloutStage, canary: RolloutEdge?,
    watching edges: [RolloutEdge], on transaction: PostgresTransaction
  ) async throws {
    let number: Int64 = try await transaction.query(
      """
      INSERT INTO rollouts (base, target, pace, stage, canary, region, stage_began_at)
      VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp()) RETURNING number
      """, Int64(clamping: base), Int64(clamping: target), pace.rawValue, stage.rawValue, canary?.id,
      canary?.region
    ).single().get("number")
    try await watch(edges, in: number, on: transaction)
    try await transaction.query("DELETE FROM rollouts WHERE number <= $1", number - kept)
  }

  static func enter(
    _ stage: RolloutStage, of number: Int64, canary: RolloutEdge?, watching edges: [RolloutEdge], lost: Int,
    on transaction: PostgresTransaction
  ) async throws {
    try await transaction.query(
      """
      UPDATE rollouts SET stage = $2, canary = coalesce($3, canary), region = coalesce($4, region), lost = $5,
        stage_began_at = clock_timestamp() WHERE number = $1
      """, number, stage.rawValue, canary?.id, canary?.region, Int32(clamping: lost))
    try await transaction.query(
      "DELETE FROM rollout_edges WHERE rollout = $1 AND edge <> ALL ($2::uuid[])", number, edges.map(\.id))
    try await watch(edges, in: number, on: transaction)
  }

  /// An edge that is watched already is still compared with the time before it had the version.
  private static func watch(
    _ edges: [RolloutEdge], in number: Int64, on transaction: PostgresTransaction
  ) async throws {
    try await transaction.query(
      """
      INSERT INTO rollout_edges (rollout, edge, ended, failed, earlier_ended, earlier_failed)
      SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
      ON CONFLICT (rollout, edge) DO UPDATE SET ended = excluded.ended, failed = excluded.failed
      """, number, edges.map(\.id), edges.map { Int64(clamping: $0.counts.ended) },
      edges.map { Int64(clamping: $0.counts.failed) }, edges.map { Int64(clamping: $0.usualCounts.ended) },
      edges.map { Int64(clamping: $0.usualCounts.failed) })
  }

  /// An edge has just taken a version, which it is not known to have yet: what ended there before, and was not reported
  /// when the stage began, says nothing about it. And what a version did that has just been taken back is not usual: an
  /// edge that ran it is compared with what it was compared with then, as long as its recent counts may have that in them.
  static func watch(
    _ edge: EdgeID, taking version: UInt64, from counts: ExchangeCounts, on session: some PostgresSession
  ) async throws {
    try await session.execute(
      """
      UPDATE rollout_edges AS watched SET ended = $3, failed = $4,
        earlier_ended = coalesce(untouched.earlier_ended, watched.earlier_ended),
        earlier_failed = coalesce(untouched.earlier_failed, watched.earlier_failed)
      FROM rollouts, edges LEFT JOIN LATERAL (
        SELECT before.earlier_ended, before.earlier_failed
        FROM rollout_edges AS before JOIN rollouts AS taken_back ON taken_back.number = before.rollout
        WHERE before.edge = $1 AND before.earlier_ended > 0 AND taken_back.state = 'rolled_back'
          AND taken_back.ended_at > clock_timestamp() - interval '3 minutes'
        ORDER BY taken_back.number DESC LIMIT 1
      ) AS untouched ON true
      WHERE watched.rollout = rollouts.number AND rollouts.state = 'running' AND rollouts.pace = 'watched'
        AND watched.edge = $1 AND edges.id = $1 AND edges.version < rollouts.target AND rollouts.target <= $2
      """, edge, Int64(clamping: version), Int64(clamping: counts.ended), Int64(clamping: counts.failed))
  }

  enum Outcome: String {
    case done
    case rolledBack = "rolled_back"
    case superseded
    case halted
  }

  static func end(
    _ number: Int64, _ outcome: Outcome, reason: String? = nil, rolledBackBy version: UInt64? = nil,
    on transaction: PostgresTransaction
  ) async throws {
    try await transaction.query(
      """
      UPDATE rollouts SET state = $2, reason = coalesce($3, reason), rolled_back_by = $4,
        ended_at = CASE WHEN $2 = 'halted' THEN NULL ELSE clock_timestamp() END WHERE number = $1
      """, number, outcome.rawValue, reason, version.map { Int64(clamping: $0) })
  }

  /// Every edge may have a version from now on.
  static func setEverywhere(_ version: UInt64, on transaction: PostgresTransaction) async throws {
    try await transaction.query(
      "UPDATE configuration_state SET everywhere = $1 WHERE everywhere < $1", Int64(clamping: version))
  }

  /// Tells every replica to look again.
  static func announce(on transaction: PostgresTransaction) async throws {
    try await transaction.query("SELECT pg_notify('strait_configuration', '')")
  }

  fileprivate static func stage(_ row: PostgresRow) throws -> RolloutStage {
    RolloutStage(rawValue: try row.get("stage")) ?? .fleet
  }
}

// MARK: Attendance

extension RolloutStore {
  /// A replica is there. It writes nothing where one said so just before; where none did for a while, all were away, or the
  /// database was. A clock that was set back looks the same.
  static func noteAttendance(on session: some PostgresSession) async throws {
    try await session.query(
      """
      UPDATE attendance SET noted_at = clock_timestamp(),
        since = CASE WHEN noted_at BETWEEN clock_timestamp() - interval '5 seconds' AND clock_timestamp() THEN since
          ELSE clock_timestamp() END,
        before = CASE WHEN noted_at BETWEEN clock_timestamp() - interval '5 seconds' AND clock_timestamp() THEN before
          WHEN noted_at >= since + interval '10 minutes' THEN least(noted_at, clock_timestamp()) ELSE before END
      WHERE noted_at NOT BETWEEN clock_timestamp() - interval '2 seconds' AND clock_timestamp()
      """)
  }

  /// A replica is about to send its edges away: they have their time to come back, to this one or another, from now on.
  static func breakAttendance(on session: some PostgresSession) async throws {
    try await session.query(
      """
      UPDATE attendance SET noted_at = clock_timestamp(), since = clock_timestamp(),
        before = CASE WHEN noted_at >= since + interval '10 minutes' THEN least(noted_at, clock_timestamp())
          ELSE before END
      """)
  }
}

// MARK: For people

extension RolloutStore {
  package static func list(limit: Int, on session: some PostgresSession) async throws -> [RolloutSummary] {
    try await session.query("SELECT * FROM rollouts ORDER BY number DESC LIMIT $1", Int64(limit)).map(summary)
  }

  package static func find(_ number: Int64, on session: some PostgresSession) async throws -> RolloutSummary?
  {
    try await session.query("SELECT * FROM rollouts WHERE number = $1", number).first.map(summary)
  }

  /// The edges that its last stage waited for, with what they said since.
  package static func edges(of number: Int64, on session: some PostgresSession) async throws
    -> [RolloutEdgeSummary]
  {
    try await session.query(
      """
      SELECT id, edges.region, edges.version, refusal, ended_exchanges, failed_exchanges, ended, failed,
        stream_id IS NOT NULL AND last_seen_at > now() - interval '20 seconds' AS connected
      FROM rollout_edges JOIN edges ON id = edge WHERE rollout = $1 ORDER BY edges.region, id
      """, number
    ).map { row in
      let now = ExchangeCounts(
        ended: try row.unsigned("ended_exchanges"), failed: try row.unsigned("failed_exchanges"))
      let since = now.since(
        ExchangeCounts(ended: try row.unsigned("ended"), failed: try row.unsigned("failed")))
      return RolloutEdgeSummary(
        edge: try row.get("id", as: EdgeID.self).description, region: try row.get("region"),
        connected: try row.get("connected"), version: try row.unsigned("version"),
        refusal: try row.get("refusal"), endedExchanges: since.ended, failedExchanges: since.failed)
    }
  }

  private static func summary(_ row: PostgresRow) throws -> RolloutSummary {
    RolloutSummary(
      number: try row.get("number"), base: try row.unsigned("base"), target: try row.unsigned("target"),
      pace: try row.get("pace"), state: try row.get("state"), stage: try row.get("stage"),
      canary: try row.get("canary", as: EdgeID?.self)?.description, region: try row.get("region"),
      reason: try row.get("reason"),
      rolledBackBy: try row.get("rolled_back_by", as: Int64?.self).map { UInt64(clamping: $0) },
      beganAt: try row.time("began_at"), endedAt: try row.optionalTime("ended_at"), edges: nil)
  }
}
