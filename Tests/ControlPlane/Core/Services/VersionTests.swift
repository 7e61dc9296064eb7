import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("The history of the configuration")
struct VersionTests {
  @Test("a version shows what it added and changed, with old and new values and never a credential")
  func difference() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      _ = try await running.services.upstreams.create(Sample.upstream(credential: "sk-secret"), by: .system)
      let added = try await running.newestDifference()
      #expect(added.resources.map(\.change) == ["added"])
      #expect(added.resources.first?.name == "mill")
      #expect(added.resources.first?.fields.contains { $0.field == "origin" && $0.before == nil } == true)
      var regions = Sample.regions
      regions[0].title = "Virginia"
      _ = try await running.services.regions.apply(regions, by: .system)
      let changed = try await running.newestDifference()
      #expect(
        changed.resources.map(\.fields) == [
          [FieldDifference(field: "title", before: "US East", after: "Virginia")]
        ])
      _ = try await running.services.upstreams.update(
        "mill", UpstreamChangeRequest(credential: "sk-another"), by: .system)
      let replaced = try await running.newestDifference()
      #expect(replaced.resources.first?.fields.map(\.field) == ["credential"])
      let all = try await running.services.versions.difference(from: "1", to: String(replaced.to))
      #expect(Set(all.resources.map(\.change)) == ["added"])
      for shown in [added, replaced, all] {
        let text = String(decoding: try AdminJSON.encode(shown), as: UTF8.self)
        #expect(
          !text.contains("credential_sealed") && !text.contains("sk-another") && !text.contains("sk-secret"))
      }
    }
  }

  @Test("a rollback brings offers, upstreams and regions back to what they were, as a new version")
  func rollback() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let good = try await ChangeStore.newestVersion(on: running.pool)
      var request = Sample.upstream("other")
      request.region = "us-east"
      _ = try await running.services.upstreams.create(request, by: .system)
      _ = try await running.services.offers.create(Sample.offer("gemma", upstream: "other"), by: .system)
      try await running.changeWeight(of: "mill", to: 7)
      let bad = try await ChangeStore.newestVersion(on: running.pool)

      let result = try await running.services.versions.rollBack(to: String(good), by: .system)
      #expect(result.version == bad + 1 && result.restores == good && result.resources == 3)
      #expect(try await running.services.upstreams.list().map(\.name) == ["mill"])
      #expect(try await running.services.offers.list().map(\.weight) == [100])
      let between = try await running.services.versions.difference(
        from: String(good), to: String(result.version))
      #expect(between.resources.isEmpty)

      // The way back has a way back, with the price that the offer had.
      let again = try await running.services.versions.rollBack(to: String(bad), by: .system)
      #expect(again.version == result.version + 1)
      let offers = try await running.services.offers.list()
      #expect(Set(offers.map(\.upstream)) == ["mill", "other"] && offers.map(\.weight).max() == 100)
      #expect(offers.allSatisfy { $0.inputPrice == 1_250_000 })
    }
  }

  @Test("a rollback gives no access back, takes none away, and keeps a region in which an edge stands")
  func access() async throws {
    try await withControlPlane { running in
      let before = try await ChangeStore.newestVersion(on: running.pool)
      let fleet = try await running.applyFleet()
      let team = try #require(TeamID(fleet.team.id))
      _ = try await TestEdge.enrolled(running)
      let revoked = try await running.makeKey()
      let withKey = try await ChangeStore.newestVersion(on: running.pool)
      let kept = try await running.makeKey()
      _ = try await running.services.keys.revoke(revoked.summary.publicID, by: .system)
      try await running.suspend(team)

      _ = try await running.services.versions.rollBack(to: String(withKey), by: .system)
      let keys = try await running.services.keys.list(team: nil)
      #expect(keys.first { $0.id == revoked.summary.id }?.revokedAt != nil)
      #expect(keys.first { $0.id == kept.summary.id }?.revokedAt == nil)
      #expect(try await running.isSuspended(team))

      let result = try await running.services.versions.rollBack(to: String(before), by: .system)
      #expect(result.kept == ["eu-west"])
      #expect(try await running.services.regions.list().map(\.name) == ["eu-west"])
      #expect(try await running.services.offers.list().isEmpty)
      #expect(try await running.services.teams.list().map(\.name) == ["red"])
    }
  }

  @Test("an edge is given any version as it was, with what came later left out")
  func asOf() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let old = try await running.makeKey()
      let then = try await ChangeStore.newestVersion(on: running.pool)
      try await running.changeWeight(of: "mill", to: 7)
      _ = try await running.makeKey()
      _ = try await running.services.offers.create(Sample.offer("other"), by: .system)
      let newest = try await ChangeStore.newestVersion(on: running.pool)
      let installation = running.controlPlane.installation
      let reader = ConfigurationReader(
        pool: running.pool, lineage: installation.lineage, key: installation.key)

      let past = try ConfigurationState().applying(try await reader.update(from: 0, to: then).parts)
      #expect(past.version == then)
      #expect(past.offers.values.map(\.weight) == [100])
      #expect(past.keys.count == 1 && KeyID(old.summary.id).map(past.keys.contains) == true)
      // A step at a time comes to the same as all at once, and as a snapshot.
      var stepped = past
      for version in then + 1...newest {
        stepped = try stepped.applying(try await reader.update(from: version - 1, to: version).parts)
      }
      #expect(stepped == (try past.applying(try await reader.update(from: then, to: newest).parts)))
      #expect(
        stepped == (try ConfigurationState().applying(try await reader.update(from: 0, to: newest).parts)))
      #expect(stepped.offers.count == 2 && stepped.keys.count == 2)

      // A key that was revoked since is not given out with an older version either.
      _ = try await running.services.keys.revoke(old.summary.publicID, by: .system)
      let careful = try ConfigurationState().applying(try await reader.update(from: 0, to: then).parts)
      #expect(careful.keys.isEmpty)
    }
  }

  @Test("what cannot be shown or gone back to is refused in words")
  func refusals() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let versions = running.services.versions
      for (from, to, words) in [
        (nil, "9", "no version 9 yet"), ("2", "2", "not older"), ("0", "2", "older than the history"),
        (nil, "x", "is not a version"),
      ] as [(String?, String, String)] {
        let refusal = await #expect(throws: Refusal.self) {
          try await versions.difference(from: from, to: to)
        }
        #expect(refusal?.message.contains(words) == true)
      }
      let newest = await #expect(throws: Refusal.self) { try await versions.rollBack(to: "2", by: .system) }
      #expect(newest?.message.contains("newest already") == true)
      let unknown = await #expect(throws: Refusal.self) { try await versions.rollBack(to: "0", by: .system) }
      #expect(unknown?.kind == .notFound)
      #expect(try await versions.list(before: nil, limit: "1").map(\.version) == [2])
      #expect(try await versions.list(before: "2", limit: nil).map(\.version) == [1])
      await #expect(throws: Refusal.self) { try await versions.list(before: nil, limit: "0") }
    }
  }
}

extension RunningControlPlane {
  func newestDifference() async throws -> VersionDifference {
    let newest = try await ChangeStore.newestVersion(on: pool)
    return try await services.versions.difference(from: nil, to: String(newest))
  }

  func changeWeight(of upstream: String, to weight: Int) async throws {
    let offer = try await services.offers.list().first { $0.upstream == upstream }
    let id = try #require(offer).id
    _ = try await services.offers.update(id, OfferChangeRequest(weight: weight), by: .system)
  }

  func suspend(_ team: TeamID) async throws {
    try await ChangeService(pool: pool).perform(by: .system) { transaction in
      try await transaction.query("UPDATE teams SET suspended = true WHERE id = $1", team)
      return ((), Change("team.suspend", subject: team, resources: [ResourceKey(.team, team)]))
    }
  }

  func isSuspended(_ team: TeamID) async throws -> Bool {
    try await pool.query("SELECT suspended FROM teams WHERE id = $1", team).single().get("suspended")
  }
}
