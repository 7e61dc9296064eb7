import AdminAPI
import ControlPlaneCore
import Foundation
import GRPCCore
import Postgres
import StraitProtocol
import Testing

@Suite("Shipping usage")
struct ShipTests {
  private static func count(_ running: RunningControlPlane) async throws -> Int {
    try await running.pool.query("SELECT count(*) AS count FROM usage_records").single().get("count")
  }

  @Test("a record is priced at the price of its moment and listed with its names")
  func priced() async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let key = try await running.makeKey()
      let record = WireUsageRecord.sample(
        team: try #require(TeamID(fleet.team.id)), key: try #require(KeyID(key.summary.id)),
        offer: try #require(OfferID(fleet.offer.id)), upstream: try #require(UpstreamID(fleet.upstream.id)))
      #expect(try await edge.ship(running, .of(epoch: 7, first: 1, [record])) == 1)
      let entry = try #require(try await running.services.usage.list(UsageService.Query()).records.first)
      // 1,000 input tokens at 1.25 USD a million are 1,250,000 nano-USD; 500 output tokens at 10 USD are 5,000,000.
      #expect(entry.costNanoUSD == 6_250_000)
      #expect(entry.model == "gemma" && entry.team == "red" && entry.upstream == "mill")
      #expect(entry.keyPublicID == key.summary.publicID)
      #expect(entry.edge == edge.id.description && entry.edgeRegion == "eu-west" && entry.region == "eu-west")
      #expect(entry.endpoint == "/v1/chat/completions" && entry.outcome == "completed")
      #expect(entry.usageSource == "provider" && entry.dialect == "openai")
    }
  }

  @Test("a later price does not touch what was used before it")
  func priceChange() async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let offer = try #require(OfferID(fleet.offer.id))
      let changed = Moment.now.adding(seconds: 60)
      try await running.pool.query(
        "INSERT INTO offer_prices VALUES ($1, $2, 0, 0, 0, 1000000)", offer, changed.stored)
      let before = WireUsageRecord.sample(startedAt: changed.adding(seconds: -1), offer: offer)
      let after = WireUsageRecord.sample(startedAt: changed.adding(seconds: 1), offer: offer)
      let early = WireUsageRecord.sample(startedAt: changed.adding(seconds: -86_400), offer: offer)
      _ = try await edge.ship(running, .of(epoch: 1, first: 1, [before, after, early]))
      let costs = try await running.pool.query(
        "SELECT cost_nano_usd AS cost FROM usage_records ORDER BY sequence")
      // 500 output tokens at 1 USD a million are 500,000 nano-USD.
      #expect(try costs.map { try $0.get("cost", as: Int64.self) } == [6_250_000, 500_000, 6_250_000])
    }
  }

  @Test("what is sent again is stored once, also when it overlaps with what is new")
  func again() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      let records = (0..<10).map { _ in WireUsageRecord.sample() }
      #expect(try await edge.ship(running, .of(epoch: 1, first: 1, Array(records[..<6]))) == 6)
      #expect(try await edge.ship(running, .of(epoch: 1, first: 1, Array(records[..<6]))) == 6)
      #expect(try await edge.ship(running, .of(epoch: 1, first: 4, Array(records[3...]))) == 10)
      #expect(try await Self.count(running) == 10)
      // Another epoch counts from 1 again.
      #expect(try await edge.ship(running, .of(epoch: .max, first: 1, [.sample()])) == 1)
      #expect(try await Self.count(running) == 11)
    }
  }

  @Test("the same batch sent many times at once, over both replicas, is stored once")
  func atOnce() async throws {
    try await withControlPlane { first in
      try await first.applyRegions()
      try await withControlPlane(sharing: first) { second in
        let edge = try await TestEdge.enrolled(first)
        let records = (0..<50).map { _ in WireUsageRecord.sample() }
        try await withThrowingTaskGroup(of: UInt64.self) { group in
          for index in 0..<8 {
            group.addTask {
              try await edge.ship(index % 2 == 0 ? first : second, .of(epoch: 3, first: 1, records))
            }
          }
          for try await watermark in group { #expect(watermark == 50) }
        }
        #expect(try await Self.count(first) == 50)
      }
    }
  }

  @Test("a gap is written down as a loss, and filled when the records come after all")
  func gap() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      let records = (0..<6).map { _ in WireUsageRecord.sample() }
      _ = try await edge.ship(running, .of(epoch: 1, first: 1, [records[0]]))
      #expect(try await edge.ship(running, .of(epoch: 1, first: 5, Array(records[4...]))) == 6)
      let epoch = UsageEpoch(edge: edge.id, epoch: 1)
      #expect(try await UsageStore.losses(of: epoch, on: running.pool) == [2...4])
      for _ in 0..<2 { #expect(try await edge.ship(running, .of(epoch: 1, first: 3, [records[2]])) == 6) }
      #expect(try await UsageStore.losses(of: epoch, on: running.pool) == [2...2, 4...4])
      #expect(try await Self.count(running) == 4)
    }
  }

  @Test("a database that fell back to an older state gets the records again, once")
  func fallenBack() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      let records = (0..<5).map { _ in WireUsageRecord.sample() }
      _ = try await edge.ship(running, .of(epoch: 1, first: 1, records))
      // The newest commits are gone: the watermark is older, and so are the records, but for one.
      try await running.pool.query("UPDATE usage_watermarks SET sequence = 2")
      try await running.pool.query("DELETE FROM usage_records WHERE sequence IN (3, 4)")
      #expect(try await edge.ship(running, .of(epoch: 1, first: 1, records)) == 5)
      #expect(try await Self.count(running) == 5)
    }
  }

  @Test(
    "an edge that was told more than a database still has is asked for that first, and nothing counts as lost"
  )
  func fallenBehind() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      let records = (0..<5).map { _ in WireUsageRecord.sample() }
      #expect(try await edge.ship(running, .of(epoch: 1, first: 1, records)) == 5)
      try await running.pool.query("UPDATE usage_watermarks SET sequence = 2")
      try await running.pool.query("DELETE FROM usage_records WHERE sequence > 2")
      var next = WireUsageBatch.of(epoch: 1, first: 6, [.sample()])
      next.acknowledgedSequence = 5
      #expect(try await edge.ship(running, next) == 2)
      #expect(try await Self.count(running) == 2)
      // It has freed the third meanwhile, which is lost for certain now.
      var again = WireUsageBatch.of(epoch: 1, first: 4, Array(records[3...]))
      again.acknowledgedSequence = 2
      #expect(try await edge.ship(running, again) == 5)
      #expect(try await Self.count(running) == 4)
      let loss = try await running.pool.query("SELECT first_sequence, last_sequence FROM usage_losses")
        .single()
      #expect(
        try loss.get("first_sequence", as: Int64.self) == 3 && loss.get("last_sequence", as: Int64.self) == 3)
      next.acknowledgedSequence = 5
      #expect(try await edge.ship(running, next) == 6)
    }
  }

  @Test("a record that cannot be read is put aside with its numbers, and the rest goes on")
  func unreadable() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      var broken = WireUsageRecord.sample()
      broken.endpoint = 99
      broken.teamID = Data("canary".utf8)
      #expect(try await edge.ship(running, .of(epoch: 1, first: 1, [.sample(), broken, .sample()])) == 3)
      #expect(try await Self.count(running) == 2)
      let row = try await running.pool.query("SELECT sequence, reason, numbers FROM usage_rejected").single()
      #expect(try row.get("sequence", as: Int64.self) == 2)
      #expect(try row.get("numbers", as: String.self).contains("1000"))
    }
  }

  @Test("records of many days make their partitions, also when replicas do it at once")
  func partitions() async throws {
    try await withControlPlane { first in
      try await first.applyRegions()
      try await withControlPlane(sharing: first) { second in
        let days = (0..<6).map { Moment.now.adding(seconds: -86_400 * $0) }
        try await withThrowingTaskGroup(of: UInt64.self) { group in
          for running in [first, second] {
            for _ in 0..<2 {
              let edge = try await TestEdge.enrolled(running)
              group.addTask {
                let records = days.map { WireUsageRecord.sample(startedAt: $0) }
                return try await edge.ship(running, .of(epoch: 1, first: 1, records))
              }
            }
          }
          for try await watermark in group { #expect(watermark == 6) }
        }
        #expect(try await Self.count(first) == 24)
      }
    }
  }

  @Test("batches that are too large or number from 0 are refused, and nothing of them is stored")
  func refused() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      for first in [UInt64(0), .max, UInt64(Int64.max)] {
        let error = await #expect(throws: RPCError.self) {
          try await edge.ship(running, .of(epoch: 1, first: first, [.sample()]))
        }
        #expect(error?.code == .invalidArgument)
      }
      #expect(try await Self.count(running) == 0)
    }
  }

  @Test("the list goes back page by page without missing or doubling a record of the same moment")
  func pages() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      let moment = Moment.now
      let records = (0..<25).map { _ in WireUsageRecord.sample(startedAt: moment) }
      _ = try await edge.ship(running, .of(epoch: 1, first: 1, records))
      var query = UsageService.Query()
      query.limit = "10"
      var seen: [String] = []
      repeat {
        let page = try await running.services.usage.list(query)
        seen += page.records.map(\.requestID)
        query.after = page.next
      } while query.after != nil
      #expect(seen.count == 25 && Set(seen).count == 25)
      var one = UsageService.Query()
      one.request = seen[3]
      #expect(try await running.services.usage.list(one).records.map(\.requestID) == [seen[3]])
    }
  }
}
