// Measures what a large configuration costs an edge, apart from any link. Times are of the processor.
//
//   configuration-probe keys COUNT TEAMS    memory, look-ups and changes, one line of JSON

import CLinux
import EdgeDataPath
import Foundation
import StraitProtocol

struct Measurement: Encodable {
  var keys = 0
  var teams = 0
  var buildSeconds = 0.0
  var residentMegabytes = 0.0
  var lookupNanoseconds = 0.0
  var missNanoseconds = 0.0
  var oneKeyMilliseconds = 0.0
  var hundredThousandKeysMilliseconds = 0.0
  var wholeMegabytes = 0.0
}

func measure(keys count: Int, teams teamCount: Int) throws -> Measurement {
  var generator = SystemRandomNumberGenerator()
  var result = Measurement(keys: count, teams: teamCount)
  let before = residentBytes()
  var state = ConfigurationState()
  result.buildSeconds = try seconds {
    var edit = try ConfigurationEdit(of: state, beginning: part(from: 0, to: 1) { _ in })
    try edit.take(
      part(from: 0, to: 1, last: false) { part in
        part.upserts = (0..<teamCount).map { number in
          .with { $0.team.id = Data(TeamID(high: 1, low: UInt64(number)).bytes) }
        }
      })
    var number = 0
    while number < count {
      var packed = PackedKeys(expecting: 14_000)
      while number < count, packed.count < 14_000 {
        packed.append(key(number, teams: teamCount, &generator))
        number += 1
      }
      let isLast = number == count
      try edit.take(part(from: 0, to: 1, last: isLast) { $0.packedKeys = packed.bytes })
    }
    state = try edit.finished()
  }
  var tables = try PolicyTables(state, region: "eu-west")
  result.residentMegabytes = Double(residentBytes() - before) / 1e6
  let digests = sample(state.keys, 200_000)
  result.lookupNanoseconds = lookups(digests, in: tables, found: true)
  let strangers = (0..<200_000).map { _ in randomDigest(&generator) }
  result.missNanoseconds = lookups(strangers, in: tables, found: false)
  for (changed, path) in [
    (1, \Measurement.oneKeyMilliseconds), (100_000, \Measurement.hundredThousandKeysMilliseconds),
  ] {
    var packed = PackedKeys(expecting: changed)
    for number in 0..<changed { packed.append(key(count + number, teams: teamCount, &generator)) }
    let update = part(from: 1, to: 2) { $0.packedKeys = packed.bytes }
    let time = try seconds {
      let next = try state.applying([update])
      tables = try PolicyTables(next, region: "eu-west", reusing: tables)
    }
    result[keyPath: path] = time * 1e3
  }
  result.wholeMegabytes = Double(SnapshotParts(of: state).reduce(0) { $0 + $1.packedKeys.count }) / 1e6
  return result
}

func part(
  from: UInt64, to version: UInt64, last: Bool = true, _ fill: (inout WireConfigurationUpdate) -> Void
) -> WireConfigurationUpdate {
  var part = WireConfigurationUpdate()
  part.fromVersion = from
  part.version = version
  part.last = last
  fill(&part)
  return part
}

func key(_ number: Int, teams: Int, _ generator: inout SystemRandomNumberGenerator) -> KeyRecord {
  KeyRecord(
    id: KeyID(now: Int64(number) * 1000, using: &generator),
    teamID: TeamID(high: 1, low: UInt64(number % teams)), digest: randomDigest(&generator), expiresAt: 0)
}

func randomDigest(_ generator: inout SystemRandomNumberGenerator) -> KeyDigest {
  var digest = KeyDigest()
  digest.words = (generator.next(), generator.next(), generator.next(), generator.next())
  return digest
}

func sample(_ keys: KeySet, _ count: Int) -> [KeyDigest] {
  let step = max(1, keys.count / count)
  var digests: [KeyDigest] = []
  var number = 0
  keys.forEach { key in
    if number % step == 0 { digests.append(key.digest) }
    number += 1
  }
  return digests.shuffled()
}

/// Nanoseconds a look-up, the better of three rounds over digests in random order.
func lookups(_ digests: [KeyDigest], in tables: PolicyTables, found: Bool) -> Double {
  (0..<3).map { _ in
    var hits = 0
    let time = seconds {
      for digest in digests where tables.caller(digest, now: 1) != nil { hits += 1 }
    }
    precondition(hits == (found ? digests.count : 0))
    return time / Double(digests.count) * 1e9
  }.min() ?? 0
}

/// The thread's own time: others may share the machine.
func seconds(_ body: () throws -> Void) rethrows -> Double {
  func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
  let start = now()
  try body()
  return now() - start
}

func residentBytes() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
  return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
}

strait_return_freed_memory()
let arguments = CommandLine.arguments
guard arguments.count == 4, arguments[1] == "keys", let count = Int(arguments[2]),
  let teams = Int(arguments[3])
else {
  FileHandle.standardError.write(Data("usage: configuration-probe keys COUNT TEAMS\n".utf8))
  exit(2)
}
let measurement = try measure(keys: count, teams: teams)
print(String(decoding: try JSONEncoder().encode(measurement), as: UTF8.self))
