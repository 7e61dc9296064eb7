// What a version of the configuration comes to, for edges of each region: they check what they hold by it.

import Foundation
import StraitProtocol

package struct ContentSums: Sendable, Equatable {
  package let version: UInt64
  /// Of what edges of all regions have, keys apart.
  private var common = ContentSum()
  /// Of what only edges of one region have.
  private var ofRegion = [String: ContentSum]()
  private var keys = KeySums()

  package init(version: UInt64) {
    self.version = version
  }

  /// The same as the beginning of another version's.
  package init(_ sums: ContentSums, as version: UInt64) {
    self.version = version
    (common, ofRegion, keys) = (sums.common, sums.ofRegion, sums.keys)
  }

  /// - Throws: what the encoding of a message throws
  package mutating func add(_ resource: WireResource, hidden: PrivateUpstreams) throws {
    if let key = resource.keyRecord { return keys.add(key) }
    let sum = try ContentSum(resource)
    change(hidden.home(of: resource)) { $0 += sum }
  }

  package mutating func remove(_ resource: WireResource, hidden: PrivateUpstreams) throws {
    if let key = resource.keyRecord { return keys.remove(key) }
    let sum = try ContentSum(resource)
    change(hidden.home(of: resource)) { $0 -= sum }
  }

  package mutating func add(packedKeys: Data) {
    PackedKeys.forEach(in: packedKeys) { key in keys.add(key) }
  }

  private mutating func change(_ home: String?, _ body: (inout ContentSum) -> Void) {
    guard let home else { return body(&common) }
    body(&ofRegion[home, default: ContentSum()])
    // Nothing is the same as never anything.
    if ofRegion[home] == ContentSum() { ofRegion[home] = nil }
  }

  fileprivate func everything(fromDay day: UInt32) -> (common: ContentSum, ofRegion: [String: ContentSum]) {
    var sum = common
    sum += keys.sum(fromDay: day)
    return (sum, ofRegion)
  }
}

/// By what edges check an update.
package struct ContentCheck: Sendable, Equatable {
  package let version: UInt64
  /// Since 1970; keys that end before it are left out.
  package let fromDay: UInt32
  private let common: ContentSum
  private let ofRegion: [String: ContentSum]

  package init(_ sums: ContentSums, fromDay day: UInt32) {
    version = sums.version
    fromDay = day
    (common, ofRegion) = sums.everything(fromDay: day)
  }

  package func hash(seenFrom region: String) -> Data {
    var sum = common
    if let own = ofRegion[region] { sum += own }
    return Data(sum.bytes)
  }

  /// From which day on keys count for edges that have had some for long. Beyond the end of the day after, so that no two
  /// clocks disagree on whether a key of that day was still sent.
  package static func firstDay(now microseconds: Int64) -> UInt32 {
    UInt32(clamping: microseconds / KeySums.dayMicroseconds + 2)
  }
}

extension WireResource {
  fileprivate var keyRecord: KeyRecord? {
    guard case .key(let key) = kind else { return nil }
    return KeyRecord(key)
  }
}
