import AdminAPI
import ControlPlaneCore
import Foundation
import GRPCCore
import Postgres
import StraitProtocol
import Testing

@Suite("The revocation lane", .timeLimit(.minutes(5)))
struct RevocationTests {
  @Test("an edge hears of a revoked key and a suspended team, each once, and what it says is shown")
  func story() async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let kept = try await running.makeKeys(8)
      let key = try #require(kept.first).summary
      try await edge.watch(running) { lane in
        try await lane.hello()
        let revoked = try await running.services.keys.revoke(key.publicID, by: .system)
        let first = try await lane.next()
        let revokedID = try #require(KeyID(revoked.id))
        #expect(first.keyID == Data(revokedID.bytes))
        #expect(first.version == (try await ChangeStore.newestVersion(on: running.pool)))
        #expect(!first.confirmed && first.madeAt > 0)
        #expect(try await running.summary(first.number).missing.map(\.edge) == [edge.id.description])
        lane.acknowledge(first.number)
        try await eventually { try await running.summary(first.number).inForce == 1 }

        let suspension = SuspensionRequest(suspended: true, confirm: 7)
        _ = try await running.services.revocations.setSuspended("red", suspension, by: .system)
        let second = try await lane.next()
        let team = try #require(TeamID(fleet.team.id))
        #expect(second.teamID == Data(team.bytes))
        #expect(second.number > first.number && second.confirmed)
        // The configuration that holds it may come first.
        let confirmed = try await ConfirmationStore.confirmed(
          after: first.version, through: second.version, on: running.pool)
        #expect(confirmed == second.version)
        lane.refuse(second.number, "not today\u{7}")
        try await eventually {
          try await running.summary(second.number).missing.first?.refusal == "not today "
        }
      }
    }
  }

  @Test("an edge that returns is told only what it lacks, one that has another database's everything")
  func returning() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let keys = try await running.makeKeys(10)
      for key in keys[..<3] { _ = try await running.services.keys.revoke(key.summary.id, by: .system) }
      let numbers = try await edge.watch(running) { lane in
        try await lane.hello()
        return [try await lane.next().number, try await lane.next().number, try await lane.next().number]
      }
      #expect(numbers == numbers.sorted() && Set(numbers).count == 3)
      let rest = try await edge.watch(running) { lane in
        try await lane.hello(behind: numbers[1])
        return try await lane.next().number
      }
      #expect(rest == numbers[2])
      for (lineage, number) in [([UInt8](repeating: 1, count: 16), numbers[2]), (nil, numbers[2] + 1)] {
        let first = try await edge.watch(running) { lane in
          try await lane.hello(behind: number, lineage: lineage)
          return try await lane.next().number
        }
        #expect(first == numbers[0])
      }
    }
  }

  @Test("a revocation made through one replica reaches an edge on another")
  func replicas() async throws {
    try await withControlPlane { first in
      _ = try await first.applyFleet()
      let key = try await first.makeKey().summary
      try await withControlPlane(sharing: first) { second in
        let edge = try await TestEdge.enrolled(first)
        try await edge.watch(second) { lane in
          try await lane.hello()
          _ = try await first.services.keys.revoke(key.id, by: .system)
          let id = try #require(KeyID(key.id))
          #expect(try await lane.next().keyID == Data(id.bytes))
        }
      }
    }
  }

  @Test("more than a fifth of the keys go only when somebody says how many, and a refusal changes nothing")
  func capped() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      _ = try await running.services.teams.create(TeamRequest(name: "blue", account: nil), by: .system)
      _ = try await running.makeKeys(8)
      let blue = try await running.makeKeys(3, team: "blue")
      let service = running.services.revocations
      let version = try await ChangeStore.newestVersion(on: running.pool)
      let whole = RevocationRequest(ids: nil, team: "blue", confirm: nil)
      let some = RevocationRequest(ids: blue.map(\.summary.publicID), team: nil, confirm: nil)
      // Three of eleven are more than a fifth.
      for ask in [whole, some] {
        await #expect { try await service.revoke(ask, by: .system) } throws: {
          ($0 as? Refusal)?.message == "3 of 11 keys would go at once: more than a fifth"
        }
      }
      await #expect(throws: Refusal.self) {
        try await service.setSuspended("blue", SuspensionRequest(suspended: true, confirm: nil), by: .system)
      }
      await #expect { try await service.revoke(confirming(4, whole), by: .system) } throws: {
        ($0 as? Refusal)?.message == "4 keys are confirmed, but 3 would go"
      }
      #expect(try await ChangeStore.newestVersion(on: running.pool) == version)
      let two = RevocationRequest(ids: blue[..<2].map(\.summary.id), team: nil, confirm: nil)
      // Two of eleven are not.
      #expect(try await service.revoke(two, by: .system).revokedKeys == 2)
      let last = try await service.revoke(confirming(1, whole), by: .system)
      #expect(last.revokedKeys == 1 && last.revocations.map(\.confirmed) == [true])
      // Nothing is left to revoke, so there is nothing new to tell.
      // Who repeats a command whose answer was lost repeats its confirmation too.
      let again = try await service.revoke(confirming(1, whole), by: .system)
      #expect(again.revokedKeys == 0 && again.revocations.map(\.number) == last.revocations.map(\.number))
    }
  }

  @Test("single keys that go within a minute count together")
  func burst() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let keys = try await running.makeKeys(60)
      for key in keys[..<50] { _ = try await running.services.keys.revoke(key.summary.id, by: .system) }
      let next = keys[50].summary
      await #expect { try await running.services.keys.revoke(next.id, by: .system) } throws: {
        ($0 as? Refusal)?.message
          == "1 of 10 keys would go at once, after 50 within 60 seconds: more than a fifth"
      }
      let confirmed = RevocationRequest(ids: [next.publicID], team: nil, confirm: 1)
      #expect(try await running.services.revocations.revoke(confirmed, by: .system).revokedKeys == 1)
    }
  }

  @Test("what an edge refused for its size comes again when it is confirmed")
  func confirmed() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let key = try await running.makeKeys(8)[0].summary
      try await edge.watch(running) { lane in
        try await lane.hello()
        _ = try await running.services.keys.revoke(key.id, by: .system)
        let first = try await lane.next()
        lane.refuse(first.number, "too many")
        try await eventually { try await running.summary(first.number).missing.first?.refusal != nil }
        let again = try await running.services.revocations.confirm("\(first.number)", by: .system)
        let second = try await lane.next()
        #expect(second.number == again.number && second.number > first.number)
        #expect(second.confirmed && second.keyID == first.keyID && second.version == first.version)
        #expect(again.missing.map(\.refusal) == [nil])
        for number in ["\(first.number)", "\(second.number)", "7", "x"] {
          await #expect(throws: Refusal.self) {
            try await running.services.revocations.confirm(number, by: .system)
          }
        }
      }
    }
  }

  @Test("an edge that was away is not told of a suspension that was lifted, but of all else that a team lost")
  func lifted() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      _ = try await running.services.teams.create(TeamRequest(name: "blue", account: nil), by: .system)
      let red = try await running.makeKeys(9)
      _ = try await running.makeKeys(1, team: "blue")
      let service = running.services.revocations
      for suspended in [true, false] {
        _ = try await service.setSuspended(
          "red", SuspensionRequest(suspended: suspended, confirm: suspended ? 9 : nil), by: .system)
      }
      let whole = RevocationRequest(ids: nil, team: "blue", confirm: nil)
      let blue = try #require(try await service.revoke(whole, by: .system).revocations.first).number
      try await edge.watch(running) { lane in
        try await lane.hello()
        #expect(try await lane.next().number == blue)
      }
      // The control: suspended again, it is told again, and of this time only.
      let again = try await service.setSuspended(
        "red", SuspensionRequest(suspended: true, confirm: 9), by: .system)
      let key = try #require(red.first).summary
      _ = try await running.services.keys.revoke(key.id, by: .system)
      let numbers = try await edge.watch(running) { lane in
        try await lane.hello(behind: blue)
        return [try await lane.next(), try await lane.next()]
      }
      #expect(numbers[0].number == again.revocations.map(\.number).max())
      #expect(numbers[1].keyID == Data(try #require(KeyID(key.id)).bytes))
    }
  }

  @Test("a confirmation sets going again the rollout that its refusal halted", arguments: [true, false])
  func halted(isBecauseOfIt: Bool) async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let key = try await running.makeKeys(8)[0].summary
      let attending = try await AttendingEdge.join(running)
      let other = try await TestEdge.enrolled(running)
      let standing = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually { attending.version == standing }
      attending.will(.refuse(standing + 1, "many keys would be gone at once"))
      let refusing = isBecauseOfIt ? attending.edge : other
      try await refusing.watch(running) { lane in
        try await lane.hello()
        _ = try await running.services.keys.revoke(key.id, by: .system)
        let number = try await lane.next().number
        lane.refuse(number, "too many")
        try await eventually { try await running.summary(number).missing.contains { $0.refusal != nil } }
        try await eventually { try await running.services.rollouts.list(limit: "1").first?.state == "halted" }
        _ = try await running.services.revocations.confirm("\(number)", by: .system)
        let newest = try await ChangeStore.newestVersion(on: running.pool)
        #expect(newest == (isBecauseOfIt ? standing + 2 : standing + 1))
        #expect(
          try await running.services.rollouts.list(limit: "2").contains { $0.state == "halted" }
            != isBecauseOfIt)
        if isBecauseOfIt { try await eventually { attending.version == newest } }
      }
    }
  }

  @Test(
    "what an edge refused is known still when it comes back, and a confirmation reaches it",
    arguments: [true, false])
  func reconnected(isHalted: Bool) async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let key = try await running.makeKeys(8)[0].summary
      var attending = try await AttendingEdge.join(running)
      let standing = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually { attending.version == standing }
      let refuses = AttendingEdge.Behaviour.refuse(standing + 1, "many keys would be gone at once")
      attending.will(refuses)
      // Where nobody is there, the version is everywhere without a rollout.
      if !isHalted { await attending.leave() }
      let id = attending.edge
      let number = try await id.watch(running) { lane in
        try await lane.hello()
        _ = try await running.services.keys.revoke(key.id, by: .system)
        let number = try await lane.next().number
        lane.refuse(number, "too many")
        try await eventually { try await running.summary(number).missing.contains { $0.refusal != nil } }
        return number
      }
      if !isHalted {
        attending = try await AttendingEdge.join(running, as: id, holding: attending.state, behaving: refuses)
      }
      func refused() async throws -> UInt64? {
        try await FleetStore.list(on: running.pool).first { $0.refusal != nil }?.refusedVersion
      }
      try await eventually { try await refused() == standing + 1 }
      func states() async throws -> [String] {
        try await running.services.rollouts.list(limit: nil).map(\.state)
      }
      if isHalted { try await eventually { try await states().contains("halted") } }
      #expect(try await states().contains("halted") == isHalted)
      if isHalted {
        await attending.leave()
        attending = try await AttendingEdge.join(running, as: id, holding: attending.state, behaving: refuses)
        // As every edge does.
        attending.report(ended: 0, failed: 0)
        #expect(try await refused() == standing + 1)
      }
      _ = try await running.services.revocations.confirm("\(number)", by: .system)
      let last = attending
      try await eventually { last.version == standing + 2 }
      try await eventually { try await refused() == nil }
      await attending.leave()
    }
  }

  @Test("an evicted edge, and one that does not begin with a hello, are turned away")
  func turnedAway() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      await #expect {
        try await edge.watch(running) {
          $0.acknowledge(1); _ = try await $0.next()
        }
      } throws: {
        ($0 as? RPCError)?.code == .invalidArgument
      }
      try await running.pool.query("UPDATE edges SET evicted_at = now()")
      await #expect { try await edge.watch(running) { _ = try await $0.next() } } throws: {
        ($0 as? RPCError)?.code == .permissionDenied
      }
    }
  }

  @Test("old revocations are forgotten once every edge's configuration holds them")
  func forgotten() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let key = try await running.makeKey().summary
      _ = try await running.services.keys.revoke(key.id, by: .system)
      @Sendable func left() async throws -> Int {
        try await RevocationStore.prune(on: running.pool)
        return try await running.services.revocations.list(limit: nil).count
      }
      #expect(try await left() == 1)
      try await running.pool.query("UPDATE revocations SET made_at = now() - interval '31 days'")
      // The edge has heard of nothing yet.
      #expect(try await left() == 1)
      let newest = try await ChangeStore.newestVersion(on: running.pool)
      _ = try await edge.follow(running) { state, _ in
        // It may begin with the version before, while the newest is on its way.
        guard state.version >= newest else { return false }
        try await eventually { try await left() == 0 }
        return true
      }
    }
  }

  @Test("the admin API takes and shows all of it")
  func adminAPI() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let keys = try await running.makeKeys(8)
      try await asOperator(of: running) { client in
        let request = RevocationRequest(ids: [keys[0].summary.publicID], team: nil, confirm: nil)
        let made = try await client.send("POST", AdminRoute.revocations, request)
        #expect(made.status == 201)
        let result = try made.document(RevocationResult.self)
        #expect(result.keys.map(\.publicID) == [keys[0].summary.publicID] && result.revokedKeys == 1)
        let number = try #require(result.revocations.first).number
        let one = try await client.send("GET", "\(AdminRoute.revocations)/\(number)")
        #expect(try one.document(RevocationSummary.self).keyPublicID == keys[0].summary.publicID)
        let listed = try await client.send("GET", AdminRoute.revocations + "?limit=1")
        #expect(try listed.document([RevocationSummary].self).map(\.number) == [number])
        for (method, path, body) in [
          ("GET", "/x", ""), ("GET", "?limit=0", ""), ("POST", "", "{}"), ("POST", "", #"{"ids": []}"#),
          ("POST", "", #"{"ids": ["a"], "team": "red"}"#), ("POST", "", #"{"keys": []}"#),
        ] {
          let answer = try await client.send(method, AdminRoute.revocations + path, raw: Data(body.utf8))
          #expect(answer.status == 400, "\(method) \(path) \(body)")
        }
        let suspension = SuspensionRequest(suspended: true, confirm: 7)
        let suspended = try await client.send("PUT", AdminRoute.suspensions + "/red", suspension)
        #expect(try suspended.document(SuspensionResult.self).team.suspended)
        let teams = try await client.send("GET", AdminRoute.teams).document([TeamSummary].self)
        #expect(teams.map(\.suspended) == [true])
        let resumed = try await client.send(
          "PUT", AdminRoute.suspensions + "/red", SuspensionRequest(suspended: false, confirm: nil))
        #expect(try !resumed.document(SuspensionResult.self).team.suspended)
      }
    }
  }
}

private func confirming(_ count: Int, _ request: RevocationRequest) -> RevocationRequest {
  var request = request
  request.confirm = count
  return request
}

extension RunningControlPlane {
  fileprivate func makeKeys(_ count: Int, team: String = "red") async throws -> [NewKey] {
    var keys: [NewKey] = []
    for _ in 0..<count { keys.append(try await makeKey(team: team)) }
    return keys
  }

  fileprivate func summary(_ number: UInt64) async throws -> RevocationSummary {
    try await services.revocations.find("\(number)")
  }
}
