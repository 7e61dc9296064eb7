import ControlPlaneCore
import StraitProtocol
import Testing

@Suite("What a rollout does next")
struct RolloutDecisionTests {
  private let start = Moment(microseconds: 1_000_000_000)
  private let settings = RolloutSettings()

  private func edge(_ number: UInt64, _ region: String = "eu", version: UInt64 = 10) -> RolloutEdge {
    RolloutEdge(
      id: EdgeID(high: 0, low: number), region: region, isConnected: true, version: version,
      acknowledgedAt: start, lastSeenAt: start)
  }

  /// From version 10 to 11, with edge 1 of region eu first.
  private func rollout(
    _ stage: RolloutStage, _ pace: Pace = .quick, watching: [RolloutEdge], lost: Int = 0
  ) -> Rollout {
    Rollout(
      number: 1, base: 10, target: 11, pace: pace, stage: stage, canary: EdgeID(high: 0, low: 1),
      region: "eu",
      lost: lost, stageBeganAt: start,
      watched: Dictionary(
        uniqueKeysWithValues: watching.map {
          ($0.id, Rollout.Watch(atStart: $0.counts, before: ExchangeCounts(ended: 100, failed: 1)))
        }))
  }

  /// There for an hour when the stage begins.
  private var steady: Attendance {
    Attendance(since: start.adding(seconds: -3600), before: start.adding(seconds: -7200))
  }

  /// Away from a second after the stage has begun, for ten minutes.
  private var interrupted: Attendance {
    Attendance(since: start.adding(seconds: 600), before: start.adding(seconds: 1))
  }

  private func next(
    _ rollout: Rollout, _ edges: [RolloutEdge], after seconds: Int = 0, _ attendance: Attendance? = nil
  ) -> RolloutStep {
    RolloutDecision(
      rollout: rollout, edges: edges, attendance: attendance ?? steady, settings: settings,
      now: start.adding(seconds: seconds)
    ).next()
  }

  private func first(
    _ pace: Pace, _ edges: [RolloutEdge], after seconds: Int = 0, _ attendance: Attendance? = nil
  ) -> RolloutStep {
    RolloutDecision.first(
      base: 10, pace: pace, edges: edges, attendance: attendance ?? steady,
      answerSeconds: settings.answerSeconds, now: start.adding(seconds: seconds))
  }

  private func isHalt(_ step: RolloutStep) -> Bool {
    if case .halt = step { true } else { false }
  }

  @Test("nobody is asked where nobody is there, and all at once where it has been everywhere before")
  func beginnings() {
    #expect(first(.watched, []) == .finish)
    var away = edge(1)
    away.isConnected = false
    #expect(first(.quick, [away]) == .finish)
    let edges = [edge(1), edge(2)]
    #expect(first(.atOnce, edges) == .enter(.fleet, canary: edges[0], watching: edges, lost: 0))
  }

  @Test("the first edge is in step, refuses nothing, and has some traffic but the least of it")
  func canary() {
    var (busy, calm, refusing) = (edge(1), edge(2), edge(3))
    busy.counts.ended = 1000
    calm.counts.ended = 10
    refusing.counts.ended = 1
    refusing.refusal = "no"
    var behind = edge(4, version: 9)
    behind.counts.ended = 2
    let edges = [busy, calm, refusing, behind, edge(5)]
    #expect(first(.watched, edges) == .enter(.canary, canary: calm, watching: [calm], lost: 0))
    #expect(
      first(.watched, [refusing]) == .enter(.canary, canary: refusing, watching: [refusing], lost: 0))
  }

  @Test("a quick one goes on as soon as the edges of a step have answered")
  func quickSteps() {
    let others = [edge(2), edge(3, "us")]
    let waiting = [edge(1)] + others
    #expect(next(rollout(.canary, watching: [edge(1)]), waiting) == .wait(until: start.adding(seconds: 30)))
    let first = edge(1, version: 11)
    let tried = [first] + others
    #expect(
      next(rollout(.canary, watching: [edge(1)]), tried)
        == .enter(.region, canary: first, watching: [first, others[0]], lost: 0))
    let inRegion = [first, edge(2, version: 11), others[1]]
    #expect(
      next(rollout(.region, watching: [edge(1), edge(2)]), inRegion)
        == .enter(.fleet, canary: first, watching: inRegion, lost: 0))
    let everywhere = [first, edge(2, version: 11), edge(3, "us", version: 11)]
    #expect(next(rollout(.fleet, watching: waiting), everywhere) == .finish)
  }

  @Test("a step without edges of its own is left out, and a fleet of one is done after one")
  func shortcuts() {
    let first = edge(1, version: 11)
    let far = edge(3, "us")
    #expect(
      next(rollout(.canary, watching: [edge(1)]), [first, far])
        == .enter(.fleet, canary: first, watching: [first, far], lost: 0))
    #expect(next(rollout(.canary, watching: [edge(1)]), [first]) == .finish)
    // Who is not in step, or refuses already, is not waited for.
    var refusing = edge(4)
    refusing.refusal = "before"
    #expect(next(rollout(.canary, watching: [edge(1)]), [first, edge(2, version: 3), refusing]) == .finish)
  }

  @Test("a refusal halts in every step, with the edge's own words", arguments: RolloutStage.allCases)
  func refusal(stage: RolloutStage) {
    var refusing = edge(1)
    refusing.refused = 11
    refusing.refusal = "an offer names nobody"
    for pace in Pace.allCases {
      guard case .halt(let reason) = next(rollout(stage, pace, watching: [edge(1)]), [refusing]) else {
        Issue.record("\(pace) goes on")
        continue
      }
      #expect(reason.contains("refused version 11: an offer names nobody"))
    }
    refusing.refused = 9
    #expect(next(rollout(stage, watching: [edge(1)]), [refusing]) == .wait(until: start.adding(seconds: 30)))
  }

  @Test("a watched one waits for the time to pass and for news of it")
  func dwell() {
    var first = edge(1, version: 11)
    first.acknowledgedAt = start.adding(seconds: 2)
    let watching = rollout(.canary, .watched, watching: [edge(1)])
    #expect(next(watching, [first], after: 5) == .wait(until: start.adding(seconds: 12)))
    // The last report is from before the end: 30 s are left for another.
    first.reportedAt = start.adding(seconds: 11)
    #expect(next(watching, [first], after: 13) == .wait(until: start.adding(seconds: 42)))
    first.reportedAt = start.adding(seconds: 12)
    #expect(next(watching, [first], after: 13) == .finish)
  }

  @Test("errors that rose since the edges have the version halt a watched one at once")
  func errors() {
    var first = edge(1, version: 11)
    first.counts = ExchangeCounts(ended: 20, failed: 5)
    guard case .halt(let reason) = next(rollout(.canary, .watched, watching: [edge(1)]), [first]) else {
      Issue.record("goes on")
      return
    }
    #expect(reason.contains("5 of 20 exchanges failed, where 1 % failed before"))
    // Before it has the version, its errors are not the version's.
    first.version = 10
    #expect(
      next(rollout(.canary, .watched, watching: [edge(1)]), [first])
        == .wait(until: start.adding(seconds: 30)))
  }

  @Test("a canary that goes away is replaced once, and the next one halts a watched rollout")
  func vanishing() {
    var gone = edge(1)
    gone.isConnected = false
    gone.lastSeenAt = start.adding(seconds: 5)
    let other = edge(2, "us")
    let watched = rollout(.canary, .watched, watching: [edge(1)])
    #expect(next(watched, [gone, other], after: 20) == .wait(until: start.adding(seconds: 35)))
    #expect(
      next(watched, [gone, other], after: 35) == .enter(.canary, canary: other, watching: [other], lost: 1))
    // A key does not wait for an edge that is away.
    #expect(
      next(rollout(.canary, watching: [edge(1)]), [gone, other], after: 6)
        == .enter(.canary, canary: other, watching: [other], lost: 1))
    guard
      case .halt(let reason) = next(
        rollout(.canary, .watched, watching: [edge(1)], lost: 1), [gone, other], after: 35)
    else {
      Issue.record("goes on")
      return
    }
    #expect(reason.contains("was lost while it tried version 11"))
    // It was evicted: nobody waits.
    #expect(next(watched, [other]) == .enter(.canary, canary: other, watching: [other], lost: 1))
  }

  @Test("the only edge that goes away halts what may have ended it, and delays no key")
  func vanishingAlone() {
    var gone = edge(1)
    gone.isConnected = false
    guard case .halt = next(rollout(.canary, .watched, watching: [edge(1)]), [gone], after: 30) else {
      Issue.record("goes on")
      return
    }
    #expect(next(rollout(.canary, watching: [edge(1)]), [gone]) == .finish)
  }

  @Test("an edge that says nothing halts a watched one, and only that")
  func silence() {
    let edges = [edge(1, version: 11), edge(2)]
    guard case .halt(let reason) = next(rollout(.region, .watched, watching: edges), edges, after: 30) else {
      Issue.record("goes on")
      return
    }
    #expect(reason.contains("did not answer to version 11 within 30 s"))
    #expect(next(rollout(.region, watching: edges), edges, after: 30) == .finish)
  }

  @Test(
    "an edge that is sent everything for its own fault is replaced as the first, and counts as gone later")
  func mending() {
    var (mending, alsoMending) = (edge(1), edge(2))
    mending.refusal = "the content does not match its hash"
    alsoMending.refusal = mending.refusal
    let other = edge(3, "us")
    let first = rollout(.canary, .watched, watching: [edge(1)])
    #expect(next(first, [mending, other], after: 29) == .wait(until: start.adding(seconds: 30)))
    #expect(
      next(first, [mending, other], after: 30) == .enter(.canary, canary: other, watching: [other], lost: 1))
    // The control: one that refuses the version itself.
    mending.refused = 11
    guard case .halt = next(first, [mending, other]) else {
      Issue.record("goes on")
      return
    }
    mending.refused = nil
    let region = rollout(.region, .watched, watching: [edge(1), edge(2), edge(3, "us")])
    var heard = edge(3, "us", version: 11)
    heard.reportedAt = start.adding(seconds: 40)
    var taken = edge(2, version: 11)
    taken.reportedAt = heard.reportedAt
    // Until it reports after its time, it is waited for like every edge that is connected.
    mending.reportedAt = heard.reportedAt
    #expect(next(region, [mending, taken, heard], after: 45) == .finish)
    guard case .halt = next(region, [mending, alsoMending, heard], after: 45) else {
      Issue.record("goes on")
      return
    }
  }

  @Test("one edge that goes away is chance, two are not")
  func losses() {
    var (first, second) = (edge(2), edge(3))
    first.isConnected = false
    second.isConnected = false
    let watching = [edge(1), edge(2), edge(3)]
    let steady = edge(1, version: 11)
    var heard = steady
    heard.reportedAt = start.adding(seconds: 40)
    let third = edge(3, version: 11)
    #expect(
      next(rollout(.region, .watched, watching: watching), [steady, first, third], after: 5)
        == .wait(until: start.adding(seconds: 10)))
    var alsoHeard = third
    alsoHeard.reportedAt = heard.reportedAt
    #expect(
      next(rollout(.region, .watched, watching: watching), [heard, first, alsoHeard], after: 45) == .finish)
    guard
      case .halt = next(rollout(.region, .watched, watching: watching), [heard, first, second], after: 45)
    else {
      Issue.record("goes on")
      return
    }
    #expect(next(rollout(.region, watching: watching), [heard, first, second], after: 1) == .finish)
  }

  @Test("an edge that comes back late has its time to answer anew, and one that comes and goes not for ever")
  func returning() {
    let watched = rollout(.canary, .watched, watching: [edge(1)])
    var returned = edge(1)
    // It lost its link after ten seconds, and did not count as gone before 40.
    returned.streamBeganAt = start.adding(seconds: 33)
    #expect(next(watched, [returned], after: 34) == .wait(until: start.adding(seconds: 63)))
    #expect(isHalt(next(watched, [returned], after: 63)))
    // Three times 30 s are over.
    returned.streamBeganAt = start.adding(seconds: 85)
    #expect(next(watched, [returned], after: 86) == .wait(until: start.adding(seconds: 90)))
    #expect(isHalt(next(watched, [returned], after: 90)))
    // The control: one that was there all the time.
    returned.streamBeganAt = start.adding(seconds: -5)
    #expect(isHalt(next(watched, [returned], after: 34)))
  }

  @Test("the time in which the control plane was away makes no edge gone, silent or without news")
  func outage() {
    var gone = edge(1)
    gone.isConnected = false
    let other = edge(2, "us")
    let until = RolloutStep.wait(until: start.adding(seconds: 630))
    let canary = rollout(.canary, .watched, watching: [edge(1)])
    #expect(next(canary, [gone], after: 601, interrupted) == until)
    #expect(next(canary, [gone, other], after: 601, interrupted) == until)
    #expect(isHalt(next(canary, [gone], after: 630, interrupted)))
    #expect(
      next(canary, [gone, other], after: 630, interrupted)
        == .enter(.canary, canary: other, watching: [other], lost: 1))
    let region = rollout(.region, .watched, watching: [edge(1), edge(2)])
    let silent = [edge(1, version: 11), edge(2)]
    #expect(next(region, silent, after: 601, interrupted) == until)
    #expect(isHalt(next(region, silent, after: 630, interrupted)))
    var first = edge(1, version: 11)
    #expect(next(canary, [first], after: 601, interrupted) == until)
    first.reportedAt = start.adding(seconds: 601)
    #expect(next(canary, [first], after: 601, interrupted) == .finish)
    // The control: the control plane was there.
    #expect(isHalt(next(canary, [gone], after: 601)))
    #expect(isHalt(next(region, silent, after: 601)))
    #expect(next(canary, [edge(1, version: 11)], after: 601) == .finish)
  }

  @Test("what begins before edges are back from an outage waits for one of them, and for none that had left")
  func beginningAfterOutage() {
    var away = edge(1)
    away.isConnected = false
    for pace in [Pace.quick, .watched] {
      #expect(first(pace, [away], after: 601, interrupted) == .wait(until: start.adding(seconds: 630)))
      #expect(first(pace, [away], after: 630, interrupted) == .finish)
      // The control: the control plane was there.
      #expect(first(pace, [away], after: 601) == .finish)
    }
    #expect(first(.atOnce, [away], after: 601, interrupted) == .finish)
    let other = edge(2)
    #expect(
      first(.quick, [away, other], after: 601, interrupted)
        == .enter(.canary, canary: other, watching: [other], lost: 0))
    // 20 s until it counted as away and 30 s to come back, when the outage began a second after the start.
    away.lastSeenAt = start.adding(seconds: -50)
    #expect(first(.quick, [away], after: 601, interrupted) == .finish)
    away.lastSeenAt = nil
    #expect(first(.quick, [away], after: 601, interrupted) == .finish)
    // It was back, and left again.
    away.lastSeenAt = start.adding(seconds: 601)
    away.streamBeganAt = start.adding(seconds: 600)
    #expect(first(.quick, [away], after: 601, interrupted) == .finish)
  }

  @Test("a canary that an outage drove away is not lost, and a key waits for it where nobody else is there")
  func quickAfterOutage() {
    var away = edge(1)
    away.isConnected = false
    let other = edge(2, "us")
    let until = RolloutStep.wait(until: start.adding(seconds: 630))
    let quick = rollout(.canary, watching: [edge(1)])
    #expect(next(quick, [away], after: 601, interrupted) == until)
    #expect(next(quick, [away], after: 630, interrupted) == .finish)
    let lossy = rollout(.canary, watching: [edge(1)], lost: 2)
    #expect(
      next(lossy, [away, other], after: 601, interrupted)
        == .enter(.canary, canary: other, watching: [other], lost: 2))
    // The first edge was evicted meanwhile.
    var another = other
    another.isConnected = false
    #expect(next(quick, [another], after: 601, interrupted) == until)
    // The control: it was back, and left again.
    away.streamBeganAt = start.adding(seconds: 600)
    #expect(isHalt(next(lossy, [away, other], after: 601, interrupted)))
  }
}

@Suite("Since when the control plane is there")
struct AttendanceTests {
  private let start = Moment(microseconds: 1_000_000_000)

  /// There since the start, and before that until 1000 s earlier.
  private func attendance(noted: Int, now: Int) -> Attendance {
    Attendance(
      since: start, before: start.adding(seconds: -1000), notedAt: start.adding(seconds: noted),
      now: start.adding(seconds: now))
  }

  @Test("goes on while replicas say so, and begins anew after a break that none has noted yet")
  func breaks() {
    let steady = Attendance(since: start, before: start.adding(seconds: -1000))
    #expect(attendance(noted: 700, now: 705) == steady)
    #expect(
      attendance(noted: 700, now: 706)
        == Attendance(since: start.adding(seconds: 706), before: start.adding(seconds: 700)))
    // A clock that was set back.
    #expect(
      attendance(noted: 700, now: 690)
        == Attendance(since: start.adding(seconds: 690), before: start.adding(seconds: 690)))
  }

  @Test("was too short between two breaks for edges to be missed, where it was less than ten minutes")
  func shortTimes() {
    #expect(
      attendance(noted: 599, now: 620)
        == Attendance(since: start.adding(seconds: 620), before: start.adding(seconds: -1000)))
    #expect(attendance(noted: 600, now: 620).before == start.adding(seconds: 600))
  }
}

@Suite("A rise of errors")
struct ErrorRiseTests {
  private func finding(_ before: (UInt64, UInt64), _ during: (UInt64, UInt64)) -> String? {
    ErrorRise.finding(
      before: ExchangeCounts(ended: before.0, failed: before.1),
      during: ExchangeCounts(ended: during.0, failed: during.1))
  }

  @Test("is seen where more fail than chance explains")
  func rises() {
    #expect(finding((1000, 0), (100, 6)) == "6 of 100 exchanges failed, where 0 % failed before")
    // 10 % before, ±6 % by chance over 100, 5 % for nothing: from 21 % on.
    #expect(finding((100, 10), (100, 22)) != nil)
    #expect(finding((100, 10), (100, 20)) == nil)
    #expect(finding((0, 0), (3, 3)) != nil)
  }

  @Test("is not seen in few failures, or where it was as bad before")
  func noRise() {
    #expect(finding((1000, 0), (2, 2)) == nil)
    #expect(finding((1000, 0), (0, 0)) == nil)
    #expect(finding((100, 60), (10, 8)) == nil)
  }

  @Test("a process that started again counts from nothing")
  func restarts() {
    let now = ExchangeCounts(ended: 5, failed: 1)
    #expect(now.since(ExchangeCounts(ended: 100, failed: 9)) == now)
    #expect(now.since(ExchangeCounts(ended: 2, failed: 1)) == ExchangeCounts(ended: 3, failed: 0))
  }
}

@Suite("How far an edge may go")
struct VersionCeilingsTests {
  private func identity(_ number: UInt64, _ region: String) throws -> EdgeIdentity {
    EdgeIdentity(edge: EdgeID(high: 0, low: number), region: try ResourceName(region, of: "region"))
  }

  @Test("only the edges of the stage have the new version, and without a rollout none")
  func ceilings() throws {
    let edges = [try identity(1, "eu"), try identity(2, "eu"), try identity(3, "us")]
    func ceilings(_ stage: RolloutStage?) -> [UInt64] {
      let staged = stage.map {
        VersionCeilings.Staged(target: 11, stage: $0, canary: edges[0].edge, region: "eu")
      }
      let ceilings = VersionCeilings(newest: 12, everywhere: 10, staged: staged)
      return edges.map { ceilings.ceiling(for: $0) }
    }
    #expect(ceilings(nil) == [10, 10, 10])
    #expect(ceilings(.canary) == [11, 10, 10])
    #expect(ceilings(.region) == [11, 11, 10])
    #expect(ceilings(.fleet) == [11, 11, 11])
  }
}
