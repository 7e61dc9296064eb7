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

  /// Whether who counted at that time had all keys of the day: none of them has ended yet.
  package static func isCountable(fromDay day: UInt32, now microseconds: Int64) -> Bool {
    Int64(day) > microseconds / KeySums.dayMicroseconds
  }
}

extension WireResource {
  fileprivate var keyRecord: KeyRecord? {
    guard case .key(let key) = kind else { return nil }
    return KeyRecord(key)
  }
}
