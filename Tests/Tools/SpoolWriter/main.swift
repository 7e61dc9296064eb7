// Writes usage records until it is killed, for the test that kills it; or measures what one append costs.
//
//   spool-writer append FOLDER    after each append that returned, its number goes to standard output, 8 bytes
//   spool-writer measure FOLDER   nanoseconds per append, alone and with two threads

import EdgeUplink
import Glibc
import Logging
import StraitProtocol

func record(_ number: UInt64) -> UsageRecord {
  var record = UsageRecord(
    id: ExchangeID(high: number, low: ~number), teamID: TeamID(high: 1, low: number), keyID: .none,
    offerID: .none, upstreamID: .none, startedAt: Int64(number), endpoint: .chatCompletions,
    clientProtocol: .http2)
  record.durationMicroseconds = number
  return record
}

func append(to folder: String) throws -> Never {
  var limits = SpoolLimits()
  limits.segmentBytes = 1 << 20
  limits.spareSegments = 3
  let spool = try UsageSpool(directory: folder, limits: limits, logger: Logger(label: "spool-writer"))
  var number: UInt64 = 0
  while true {
    number += 1
    spool.append(record(number))
    // The spool's own thread may be starved on a busy machine, and then records would wait in memory.
    if number % 2_000 == 0 { spool.performUpkeep() }
    guard write(1, &number, 8) == 8 else { exit(1) }
  }
}

func measure(in folder: String) throws {
  let spool = try UsageSpool(directory: folder, logger: Logger(label: "spool-writer"))
  let template = record(1)
  for round in 1...5 {
    let count = 20_000
    let start = monotonicSeconds()
    for _ in 0..<count { spool.append(template) }
    let nanoseconds = (monotonicSeconds() - start) * 1e9 / Double(count)
    print("round \(round): \(Int(nanoseconds)) ns per append, \(spool.lost) lost")
    spool.performUpkeep()
    spool.performUpkeep()
  }
  spool.close()
}

guard CommandLine.arguments.count == 3 else {
  print("usage: spool-writer append|measure FOLDER")
  exit(2)
}
if CommandLine.arguments[1] == "append" {
  try append(to: CommandLine.arguments[2])
} else {
  try measure(in: CommandLine.arguments[2])
}
