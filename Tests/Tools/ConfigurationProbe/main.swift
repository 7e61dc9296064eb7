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
  /// From a digest to its caller, for every key in random order.
  var lookupNanoseconds = 0.0
  /// The same, where each waits for the answer of the one before.
  var chainedLookupNanoseconds = 0.0
  var missNanoseconds = 0.0
  /// From a key to its digest, which comes before the look-up.
  var hashNanoseconds = 0.0
  var oneKeyMilliseconds = 0.0
  var hundredThousandKeysMilliseconds = 0.0
  var wholeMegabytes = 0.0
}

func measure(keys count: Int, teams teamCount: Int) throws -> Measurement {
  var generator = FastGenerator()
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
  let digests = allDigests(state.keys, &generator)
  result.lookupNanoseconds = lookups(digests, in: tables, found: true)
  result.chainedLookupNanoseconds = chainedLookups(digests, in: tables)
  let strangers = (0..<count).map { _ in randomDigest(&generator) }
  result.missNanoseconds = lookups(strangers, in: tables, found: false)
  result.hashNanoseconds = hashes()
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

func key(_ number: Int, teams: Int, _ generator: inout FastGenerator) -> KeyRecord {
  KeyRecord(
    id: KeyID(now: Int64(number) * 1000, using: &generator),
    teamID: TeamID(high: 1, low: UInt64(number % teams)), digest: randomDigest(&generator), expiresAt: 0)
}

func randomDigest(_ generator: inout FastGenerator) -> KeyDigest {
  var digest = KeyDigest()
  digest.words = (generator.next(), generator.next(), generator.next(), generator.next())
  return digest
}

func allDigests(_ keys: KeySet, _ generator: inout FastGenerator) -> [KeyDigest] {
  var digests: [KeyDigest] = []
  digests.reserveCapacity(keys.count)
  keys.forEach { digests.append($0.digest) }
  digests.shuffle(using: &generator)
  return digests
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

/// Each digest is spoilt by what the look-up before found, which is always nothing to spoil it with.
func chainedLookups(_ digests: [KeyDigest], in tables: PolicyTables) -> Double {
  (0..<3).map { _ in
    var spoil: UInt64 = 0
    let time = seconds {
      for digest in digests {
        var digest = digest
        digest.words.0 ^= spoil
        guard let caller = tables.caller(digest, now: 1) else { preconditionFailure("a key is not found") }
        spoil = caller.teamID.high &- 1 | UInt64(bitPattern: caller.expiresAt &- .max)
      }
    }
    return time / Double(digests.count) * 1e9
  }.min() ?? 0
}

/// Of a key as long as Strait makes them.
func hashes() -> Double {
  var key = [UInt8](repeating: 0x61, count: APIKey.length)
  let rounds = 200_000
  let time = seconds {
    for _ in 0..<rounds {
      let digest = key.withUnsafeBytes { KeyDigest(hashing: $0) }
      key[0] = UInt8(truncatingIfNeeded: digest.words.0)
    }
  }
  return time / Double(rounds) * 1e9
}

/// SplitMix64: the kernel's numbers would take longer than what is measured.
struct FastGenerator: RandomNumberGenerator {
  private var state = UInt64.random(in: 0...UInt64.max)

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
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
