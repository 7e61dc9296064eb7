// What the uplink's tests share: folders that go away, records made of a seed, and a logger that keeps quiet.

import EdgeUplink
import Glibc
import Logging
import StraitProtocol
import Synchronization
import Testing

/// A folder that is removed with its owner.
final class ScratchFolder: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/strait-uplink-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
    path = try #require(made)
  }

  deinit {
    removeTree(path)
  }

  func contents() -> [String] { listing(path) }
}

func listing(_ folder: String) -> [String] {
  guard let open = opendir(folder) else { return [] }
  defer { closedir(open) }
  var names: [String] = []
  while let entry = readdir(open) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted()
}

func segments(_ folder: String) -> [String] { listing(folder).filter { $0.hasSuffix(".segment") } }

private func removeTree(_ path: String) {
  for name in listing(path) {
    let child = "\(path)/\(name)"
    if unlink(child) != 0 { removeTree(child) }
  }
  rmdir(path)
}

func readFile(_ path: String) throws -> [UInt8] {
  let file = try #require(fopen(path, "r"))
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
  return bytes
}

func writeFile(_ path: String, _ bytes: [UInt8]) throws {
  let file = try #require(fopen(path, "w"))
  defer { fclose(file) }
  try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
}

var quiet: Logger {
  Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

/// SplitMix64: the whole run follows from a seed that a failure prints.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

extension UsageRecord {
  /// Every field at random.
  static func random(_ generator: inout SeededGenerator) -> UsageRecord {
    func identifier<Subject>() -> Identifier<Subject> {
      Identifier(high: generator.next(), low: generator.next())
    }
    var record = UsageRecord(
      id: identifier(), teamID: identifier(), keyID: identifier(), offerID: identifier(),
      upstreamID: identifier(), startedAt: Int64(truncatingIfNeeded: generator.next()),
      endpoint: Endpoint.allCases.randomElement(using: &generator) ?? .models,
      clientProtocol: generator.next() % 2 == 0 ? .http1 : .http2)
    record.dialect = Dialect.allCases.randomElement(using: &generator) ?? .openAI
    record.durationMicroseconds = generator.next()
    record.firstByteMicroseconds = generator.next()
    record.streamed = generator.next() % 2 == 0
    record.status = UInt16(truncatingIfNeeded: generator.next())
    record.upstreamStatus = UInt16(truncatingIfNeeded: generator.next())
    record.outcome = ExchangeOutcome.allCases.randomElement(using: &generator) ?? .completed
    record.attempts = UInt8(truncatingIfNeeded: generator.next())
    record.tokens.source =
      [UsageSource.none, .provider, .estimated].randomElement(using: &generator) ?? .none
    record.tokens.input = generator.next()
    record.tokens.cachedInput = generator.next()
    record.tokens.cacheWrite = generator.next()
    record.tokens.output = generator.next()
    record.tokens.reasoning = generator.next()
    record.requestBytes = generator.next()
    record.responseBytes = generator.next()
    return record
  }

  /// A record that is told apart by its number.
  static func numbered(_ number: UInt64) -> UsageRecord {
    var record = UsageRecord(
      id: ExchangeID(high: number, low: 7), teamID: .none, keyID: .none, offerID: .none, upstreamID: .none,
      startedAt: 1_700_000_000_000_000, endpoint: .chatCompletions, clientProtocol: .http2)
    record.durationMicroseconds = number
    return record
  }
}

extension UsageSpool {
  /// Everything that is to be shipped, as (epoch, number, record).
  func drain() -> [Waiting] {
    var reader = SpoolReader(self)
    var all: [Waiting] = []
    do {
      while let batch = try reader.next() {
        for (index, record) in batch.records.enumerated() {
          all.append(
            Waiting(epoch: batch.epoch, sequence: batch.firstSequence + UInt64(index), record: record))
        }
      }
    } catch {
      Issue.record(error)
    }
    return all
  }
}

struct Waiting: Equatable {
  var epoch: UInt64
  var sequence: UInt64
  var record: UsageRecord
}

extension SpoolLimits {
  /// Segments of a few records, so that a short test fills several.
  static func small(slots: Int = 8, spares: Int = 2) -> SpoolLimits {
    var limits = SpoolLimits()
    limits.segmentBytes = SpoolFormat.headerBytes + slots * SpoolFormat.slotBytes
    limits.spareSegments = spares
    return limits
  }
}

/// Carries a value out of a closure that may run anywhere.
final class Holder<Value: Sendable>: Sendable {
  private let held = Mutex<Value?>(nil)

  var value: Value? { held.withLock { $0 } }
  func set(_ value: Value) { held.withLock { $0 = value } }
}

/// A program that is built beside these tests.
func builtProgram(_ name: String) throws -> String {
  var buffer = [CChar](repeating: 0, count: 4096)
  let count = readlink("/proc/self/exe", &buffer, buffer.count)
  try #require(count > 0)
  let own = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  let folder = try #require(own.lastIndex(of: "/").map { own[..<$0] })
  let path = "\(folder)/\(name)"
  try #require(access(path, X_OK) == 0, "\(path) is not built")
  return path
}
