import ControlPlaneCore
import Foundation
import StraitProtocol
import Testing

@Suite("Reading usage records")
struct UsageReadingTests {
  @Test("a whole record is read as it was written")
  func whole() throws {
    let now = Moment.now
    let wire = WireUsageRecord.sample(startedAt: now)
    guard case .readable(let record) = UsageReading(wire, sequence: 1, now: now) else {
      Issue.record("the record was not readable")
      return
    }
    #expect(record.id.bytes == Array(wire.id))
    #expect(record.tokens.input == 1000 && record.tokens.output == 500)
    #expect(record.outcome == .completed)
  }

  @Test("each malformed field makes it unreadable, with the field's name and no text of it")
  func malformed() {
    let cases: [(String, (inout WireUsageRecord) -> Void)] = [
      ("id", { $0.id = Data() }), ("team_id", { $0.teamID = Data("canary".utf8) }),
      ("endpoint", { $0.endpoint = 99 }),
      ("dialect", { $0.dialect = 0 }), ("outcome", { $0.outcome = 200 }), ("status", { $0.status = 70_000 }),
      ("usage_source", { $0.usageSource = .unspecified }), ("client_protocol", { $0.clientProtocol = 30 }),
      ("started_at", { $0.startedAt = 0 }), ("a token count", { $0.inputTokens = .max }),
    ]
    for (field, change) in cases {
      var wire = WireUsageRecord.sample(startedAt: .now)
      change(&wire)
      guard case .unreadable(let record) = UsageReading(wire, sequence: 7, now: .now) else {
        Issue.record("\(field) was accepted")
        continue
      }
      #expect(record.sequence == 7)
      #expect(record.reason.hasPrefix(field))
      #expect(!record.numbers.contains("canary"))
    }
  }
}
