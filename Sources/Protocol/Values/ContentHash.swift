// What a configuration comes to as a whole, kept as it changes: a change costs what it changes and not what there is.

import Crypto
import Foundation
import SwiftProtobuf

/// The sum of the SHA-256 of each of a multitude of resources, as four 64-bit words that each wrap. Adding and taking away
/// are inverse and their order does not matter, so that who went step by step and who took all at once come to the same.
/// It tells of a change that was lost, came twice or was misread; against forgery stands the link's TLS.
package struct ContentSum: Equatable, BitwiseCopyable, Sendable {
  private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  package init() {}

  /// Of one resource: its kind's number in the contract's `Resource`, and its bytes.
  fileprivate init(kind: UInt8, _ bytes: UnsafeRawBufferPointer) {
    var hash = SHA256()
    withUnsafeBytes(of: kind) { hash.update(bufferPointer: $0) }
    hash.update(bufferPointer: bytes)
    hash.finalize().withUnsafeBytes { digest in
      func word(_ place: Int) -> UInt64 {
        UInt64(littleEndian: digest.loadUnaligned(fromByteOffset: place * 8, as: UInt64.self))
      }
      words = (word(0), word(1), word(2), word(3))
    }
  }

  package static func += (sum: inout ContentSum, other: ContentSum) {
    sum.words.0 &+= other.words.0
    sum.words.1 &+= other.words.1
    sum.words.2 &+= other.words.2
    sum.words.3 &+= other.words.3
  }

  package static func -= (sum: inout ContentSum, other: ContentSum) {
    sum.words.0 &-= other.words.0
    sum.words.1 &-= other.words.1
    sum.words.2 &-= other.words.2
    sum.words.3 &-= other.words.3
  }

  package static func == (left: ContentSum, right: ContentSum) -> Bool { left.words == right.words }

  package var bytes: [UInt8] {
    [words.0, words.1, words.2, words.3].flatMap { word in
      withUnsafeBytes(of: word.littleEndian) { Array($0) }
    }
  }
}

/// What is counted by its encoding.
protocol CountedResource: SwiftProtobuf.Message {
  /// The kind's number in the contract's `Resource`.
  static var kindNumber: UInt8 { get }
}

extension WireRegion: CountedResource { static var kindNumber: UInt8 { 1 } }
extension WireUpstream: CountedResource { static var kindNumber: UInt8 { 2 } }
extension WireOffer: CountedResource { static var kindNumber: UInt8 { 3 } }
extension WireTeam: CountedResource { static var kindNumber: UInt8 { 4 } }

extension ContentSum {
  /// - Throws: what the encoding of a message throws
  package init(_ resource: WireResource) throws {
    switch resource.kind {
    case .region(let region): try self.init(region)
    case .upstream(let upstream): try self.init(upstream)
    case .offer(let offer): try self.init(offer)
    case .team(let team): try self.init(team)
    case .key(let key): self = KeyRecord(key).map { ContentSum($0) } ?? ContentSum()
    case nil: self.init()
    }
  }

  init<Resource: CountedResource>(_ resource: Resource) throws {
    let bytes: [UInt8] = try resource.serializedBytes()
    self = bytes.withUnsafeBytes { ContentSum(kind: Resource.kindNumber, $0) }
  }

  /// By its 72 bytes.
  package init(_ key: KeyRecord) {
    self = withUnsafeTemporaryAllocation(byteCount: KeyRecord.packedBytes, alignment: 8) { space in
      if let start = space.baseAddress { key.pack(into: start) }
      return ContentSum(kind: 5, UnsafeRawBufferPointer(space))
    }
  }
}

/// The sums of keys, by the day on which they end: keys end by themselves, and whoever reads them later does not find
/// them, while whoever has them keeps them. What ends before a day can be left out on both sides.
package struct KeySums: Equatable, Sendable {
  /// Of keys that end on a later day than can be told apart, or never.
  private var lasting = ContentSum()
  private var ending: [UInt16: ContentSum] = [:]

  package init() {}

  package mutating func add(_ key: KeyRecord) { change(key) { $0 += ContentSum(key) } }
  package mutating func remove(_ key: KeyRecord) { change(key) { $0 -= ContentSum(key) } }

  /// - Parameter day: since 1970; keys that end before it do not count
  package func sum(fromDay day: UInt32) -> ContentSum {
    ending.reduce(into: lasting) { sum, entry in
      if UInt32(entry.key) >= day { sum += entry.value }
    }
  }

  /// Whether there may be a key that ends by then. There is none where this says so.
  package func mayEnd(by microseconds: Int64) -> Bool {
    let day = microseconds / Self.dayMicroseconds
    return ending.contains { Int64($0.key) <= day && $0.value != ContentSum() }
      || day >= Int64(UInt16.max) && lasting != ContentSum()
  }

  private mutating func change(_ key: KeyRecord, _ body: (inout ContentSum) -> Void) {
    let day = key.expiresAt / Self.dayMicroseconds
    guard let day = UInt16(exactly: day), day < UInt16.max else { return body(&lasting) }
    body(&ending[day, default: ContentSum()])
  }

  package static let dayMicroseconds: Int64 = 86_400_000_000

  /// From which day on keys count between two who have had some for long. Beyond the end of the day after, so that no two
  /// clocks disagree on whether a key of that day was still sent.
  /// - Parameter microseconds: since 1970
  package static func firstDay(now microseconds: Int64) -> UInt32 {
    UInt32(clamping: microseconds / dayMicroseconds + 2)
  }
}

extension ConfigurationState {
  /// What `ConfigurationUpdate.content_hash` must be for an update that comes to this configuration.
  /// - Parameter day: `hashed_from_day`
  package func contentHash(fromDay day: UInt32) -> [UInt8] {
    var sum = resourceSum
    sum += keys.sums.sum(fromDay: day)
    return sum.bytes
  }

  /// What an edge says of what it holds.
  /// - Parameter now: microseconds since 1970
  package func contentClaim(now: Int64) -> (hash: Data, fromDay: UInt32) {
    let day = KeySums.firstDay(now: now)
    return (Data(contentHash(fromDay: day)), day)
  }

  /// Of all but the keys, counted anew.
  /// - Throws: what the encoding of a message throws
  func countedResources() throws -> ContentSum {
    var sum = ContentSum()
    for region in regions.values { sum += try ContentSum(region) }
    for upstream in upstreams.values { sum += try ContentSum(upstream) }
    for offer in offers.values { sum += try ContentSum(offer) }
    for team in teams.values { sum += try ContentSum(team) }
    return sum
  }
}
