import EdgeDataPath
import StraitProtocol
import Testing

@Suite struct HistogramTests {
  @Test func aTimeIsInTheFirstBucketWhoseEndItDoesNotPass() {
    #expect(Histogram.bucket(0) == 0)
    #expect(Histogram.bucket(-5) == 0)
    #expect(Histogram.bucket(16) == 0)
    #expect(Histogram.bucket(17) == 1)
    #expect(Histogram.bucket(32) == 1)
    #expect(Histogram.bucket(33) == 2)
    for bucket in 0..<(Histogram.buckets - 1) {
      let end = Histogram.end(bucket) ?? 0
      #expect(Histogram.bucket(end) == bucket)
      #expect(Histogram.bucket(end + 1) == bucket + 1)
    }
    #expect(Histogram.end(0) == 16)
    #expect(Histogram.end(Histogram.buckets - 2) == 67_108_864)
    #expect(Histogram.end(Histogram.buckets - 1) == nil)
    #expect(Histogram.bucket(.max) == Histogram.buckets - 1)
  }

  @Test func itCountsAndSums() {
    let times = Histogram()
    for time: Int64 in [10, 20, 20, 1_000_000_000] { times.observe(time) }
    #expect(times.read(0) == 1)
    #expect(times.read(1) == 2)
    #expect(times.read(Histogram.buckets - 1) == 1)
    #expect(times.sumMicroseconds == 1_000_000_050)
  }
}

@Suite struct RecentMaximumTests {
  @Test func itIsTheGreatestOfTheLastTenSeconds() {
    let longest = RecentMaximum()
    #expect(longest.value == 0)
    longest.observe(700, now: 100_000_000)
    longest.observe(300, now: 100_500_000)
    longest.observe(500, now: 105_000_000)
    #expect(longest.value == 700)
    longest.age(now: 109_900_000)
    #expect(longest.value == 700)
    longest.age(now: 111_000_000)
    #expect(longest.value == 500)
    longest.age(now: 200_000_000)
    #expect(longest.value == 0)
  }
}

@Suite struct AccessLineTests {
  @Test func aLineIsARecordInJSON() {
    let id = ExchangeID(high: 0x0190_0000_0000_7000, low: 0x8000_0000_0000_0001)
    var record = UsageRecord(
      id: id, teamID: .none, keyID: .none, offerID: .none, upstreamID: .none,
      startedAt: 1_700_000_000_000_042, endpoint: .chatCompletions, clientProtocol: .http2)
    record.status = 200
    var line = ""
    AccessLine.append(record, to: &line)
    #expect(line.hasPrefix("{\"time\":1700000000.000042,\"id\":\"\(id)\",\"team\":\""))
    #expect(line.contains(",\"status\":200,"))
    #expect(line.contains(",\"path\":\"/v1/chat/completions\",\"protocol\":\"HTTP/2\","))
    #expect(line.hasSuffix("}\n"))
  }
}
