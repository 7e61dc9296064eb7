import AdminAPI
import OperatorCommand
import Testing

private let now: Int64 = 1_795_251_180  // 2026-11-21T08:53:00Z

private func edge(
  connected: Bool = true, version: UInt64 = 7, refusal: String? = nil, spooled: UInt64 = 0, lost: UInt64 = 0,
  software: String = "1.0.0", certificate: String = "2026-12-21T08:53:00Z", refused: UInt64? = nil
) -> EdgeSummary {
  EdgeSummary(
    id: "1", region: "eu-west", baseURL: "https://edge", softwareVersion: software, connected: connected,
    enrolledAt: "2026-11-01T00:00:00Z", lastSeenAt: nil, version: version, newestVersion: 7, refusal: refusal,
    spooledRecords: spooled, lostRecords: lost, certificateExpiresAt: certificate,
    refusedVersion: refused)
}

private func rollout(_ state: String, reason: String? = nil) -> RolloutSummary {
  RolloutSummary(
    number: 3, base: 6, target: 7, pace: "quick", state: state, stage: "canary", canary: nil, region: nil,
    reason: reason, rolledBackBy: nil, beganAt: "2026-11-21T08:00:00Z", endedAt: nil, edges: nil)
}

private func revocation(refusal: String?) -> RevocationSummary {
  RevocationSummary(
    number: 12, keyPublicID: nil, team: "red", version: 7, keys: 9, confirmed: false,
    madeAt: "2026-11-21T08:00:00Z", edges: 1, inForce: 0,
    missing: [RevocationGap(edge: "1", region: "eu-west", connected: true, refusal: refusal)])
}

private func status(regions: Int = 1, offers: Int = 1, keys: Int = 1) -> ControlPlaneStatus {
  ControlPlaneStatus(
    softwareVersion: "1.0.0", configurationVersion: 7, databaseVersion: "15.9", regions: regions,
    edgesEnrolled: 1,
    edgesConnected: 1, offers: offers, keys: keys)
}

@Suite("The doctor")
struct DiagnosisTests {
  @Test("finds nothing in a fleet that is well")
  func well() {
    let findings =
      [
        Diagnosis.database(readinessStatus: 200),
        Diagnosis.versions(command: "1.0.0", status(), edges: [edge()]),
        Diagnosis.regions(status()), Diagnosis.offers(status()), Diagnosis.keys(status()),
      ] + Diagnosis.edges([edge()]) + Diagnosis.spool([edge()]) + Diagnosis.certificates([edge()], now: now)
    #expect(findings.allSatisfy { $0.result == .ok })
  }

  @Test("warns of what is not set up yet, and says the command that sets it up")
  func empty() {
    let status = status(regions: 0, offers: 0, keys: 0)
    let findings =
      [Diagnosis.regions(status), Diagnosis.offers(status), Diagnosis.keys(status)] + Diagnosis.edges([])
    #expect(findings.allSatisfy { $0.result == .warn && $0.next?.contains("strait ") == true })
  }

  @Test("fails on a database that is away and on an edge that is away, refuses or lost records")
  func broken() {
    #expect(Diagnosis.database(readinessStatus: 503).result == .fail)
    #expect(Diagnosis.edges([edge(connected: false)]).map(\.result) == [.fail])
    let refusing = Diagnosis.edges([edge(version: 4, refusal: "a dangling offer", refused: 5)])
    #expect(refusing.map(\.result) == [.fail])
    // Which is not the newest: that is 7.
    #expect(refusing.first?.message.contains("refused configuration 5: a dangling offer") == true)
    let strange = Diagnosis.edges([edge(version: 7, refusal: "what it holds is not what that version has")])
    #expect(strange.map(\.result) == [.fail])
    #expect(strange.first?.message.contains("runs configuration 7, and what it holds") == true)
    #expect(Diagnosis.spool([edge(lost: 1)]).map(\.result) == [.fail])
  }

  @Test("fails on a halted rollout and on a refused revocation, and says what to do next")
  func held() {
    let halted = Diagnosis.rollouts([rollout("halted", reason: "an edge refused version 7")])
    #expect(halted.result == .fail && halted.message.contains("an edge refused version 7"))
    #expect(halted.next?.contains("strait rollout resume 3") == true)
    for others in [[], [rollout("running")], [rollout("done")], [rollout("rolled_back")]] {
      #expect(Diagnosis.rollouts(others).result == .ok)
    }
    let refused = Diagnosis.revocations([revocation(refusal: nil), revocation(refusal: "too many")])
    #expect(refused.map(\.result) == [.fail])
    #expect(refused.first?.message.contains("too many") == true)
    #expect(refused.first?.next?.contains("strait revocation confirm 12") == true)
    #expect(Diagnosis.revocations([revocation(refusal: nil)]).map(\.result) == [.ok])
    #expect(Diagnosis.revocations([]).map(\.result) == [.ok])
  }

  @Test("warns of an edge behind, a deep spool and other versions")
  func uneasy() {
    #expect(Diagnosis.edges([edge(version: 6)]).map(\.result) == [.warn])
    #expect(Diagnosis.spool([edge(spooled: 3000)]).map(\.result) == [.ok])
    #expect(Diagnosis.spool([edge(spooled: 3001)]).map(\.result) == [.warn])
    #expect(Diagnosis.versions(command: "0.9.0", status(), edges: []).result == .warn)
    #expect(Diagnosis.versions(command: "1.0.0", status(), edges: [edge(software: "0.9.0")]).result == .warn)
  }

  @Test("counts a certificate's time down to a warning and a failure")
  func certificates() {
    func result(_ end: String) -> [Finding.Result] {
      Diagnosis.certificates([edge(certificate: end)], now: now).map(\.result)
    }
    #expect(result("2026-11-28T08:53:00Z") == [.ok])
    #expect(result("2026-11-28T08:52:59Z") == [.warn])
    #expect(result("2026-11-21T08:53:00Z") == [.fail])
  }

  @Test("writes one line for each finding, and one for what to do")
  func lines() {
    #expect(Finding.ok("tls", "fine").text == "ok    tls           fine\n")
    #expect(
      Finding.fail("edges", "gone", next: "look").text
        == "fail  edges         gone\n                    next: look\n")
  }
}
