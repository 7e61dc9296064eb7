import Foundation
import StraitProtocol
import TestSupport
import Testing

/// A dictionary does the same slowly; the set must agree with it after every step.
private struct Model {
  var keys: [KeyID: KeyRecord] = [:]
}

private func digest(_ generator: inout SeededGenerator) -> KeyDigest {
  var digest = KeyDigest()
  digest.words = (generator.next(), generator.next(), generator.next(), generator.next())
  return digest
}

private func key(_ number: UInt64, team: UInt64, using generator: inout SeededGenerator) -> KeyRecord {
  KeyRecord(
    id: KeyID(high: number, low: number &* 7), teamID: TeamID(high: 1, low: team),
    digest: digest(&generator), expiresAt: Int64(number % 3) * 1_000_000)
}

private func check(_ set: KeySet, against model: Model, seed: UInt64) {
  #expect(set.count == model.keys.count, "seed \(seed)")
  var seen = 0
  set.forEach { record in
    seen += 1
    if model.keys[record.id] != record { Issue.record("wrong or unknown: \(record), seed \(seed)") }
  }
  #expect(seen == model.keys.count, "seed \(seed)")
  for (id, record) in model.keys where set[id] != record || set[record.digest] != record {
    Issue.record("not found: \(record), seed \(seed)")
  }
  let counts = Dictionary(grouping: model.keys.values, by: \.teamID).mapValues(\.count)
  #expect(Set(set.teams.teams) == Set(counts.keys), "seed \(seed)")
  for (team, count) in counts { #expect(set.teams.keyCount(of: team) == count, "seed \(seed)") }
}

@Suite("A set of keys")
struct KeySetTests {
  @Test("agrees with a dictionary through thousands of random changes, large and small")
  func randomChanges() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    var model = Model()
    var set = KeySet()
    for step in 0..<60 {
      let before = (set, model)
      var edit = KeySetEdit(of: set)
      let size = step % 7 == 0 ? 3_000 : Int.random(in: 0..<40, using: &generator)
      var touched: Set<KeyID> = []
      for _ in 0..<size {
        let record = key(
          .random(in: 0..<6_000, using: &generator), team: .random(in: 0..<50, using: &generator),
          using: &generator)
        guard touched.insert(record.id).inserted else { continue }
        if Bool.random(using: &generator) {
          edit.put(record)
          model.keys[record.id] = record
        } else {
          edit.remove(record.id)
          model.keys[record.id] = nil
        }
      }
      set = try edit.finished()
      check(set, against: model, seed: seed)
      if step % 10 == 0 { check(before.0, against: before.1, seed: seed) }
    }
  }

  @Test("is equal to a set made in another order and from other steps, and to no other")
  func equality() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let keys = (0..<5_000).map { key(UInt64($0), team: UInt64($0 % 17), using: &generator) }
    var one = KeySetEdit(of: KeySet())
    for key in keys { one.put(key) }
    let whole = try one.finished()
    var steps = KeySet()
    for chunk in stride(from: 0, to: keys.count, by: 500).reversed() {
      var edit = KeySetEdit(of: steps)
      for key in keys[chunk..<chunk + 500].reversed() { edit.put(key) }
      steps = try edit.finished()
    }
    #expect(whole == steps, "seed \(seed)")
    var moved = KeySetEdit(of: whole)
    var other = keys[7]
    other.teamID = TeamID(high: 9, low: 9)
    moved.put(other)
    #expect(try moved.finished() != whole)
  }

  @Test("finds nothing under a digest that only begins like one of its own")
  func nearMisses() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let known = key(1, team: 1, using: &generator)
    var edit = KeySetEdit(of: KeySet())
    edit.put(known)
    let set = try edit.finished()
    #expect(set[known.digest] == known)
    for word in 0..<4 {
      for bit in 0..<64 {
        var near = known.digest
        withUnsafeMutableBytes(of: &near.words) { bytes in
          bytes.storeBytes(
            of: bytes.load(fromByteOffset: word * 8, as: UInt64.self) ^ 1 << UInt64(bit),
            toByteOffset: word * 8, as: UInt64.self)
        }
        #expect(set[near] == nil, "seed \(seed), word \(word), bit \(bit)")
      }
    }
  }

  @Test("takes digests that all crowd at the end of one shard")
  func crowded() throws {
    var edit = KeySetEdit(of: KeySet())
    var records: [KeyRecord] = []
    for number in UInt64(0)..<300 {
      var digest = KeyDigest()
      digest.words = (.max - number % 2, number, 0, 0)
      let id = KeyID(high: 0, low: number)
      records.append(KeyRecord(id: id, teamID: .none, digest: digest, expiresAt: 0))
    }
    for record in records { edit.put(record) }
    let set = try edit.finished()
    for record in records { #expect(set[record.digest] == record && set[record.id] == record) }
    var removal = KeySetEdit(of: set)
    for record in records where record.id.low % 3 == 0 { removal.remove(record.id) }
    let rest = try removal.finished()
    #expect(rest.count == 200)
    for record in records { #expect((rest[record.id] != nil) == (record.id.low % 3 != 0)) }
  }

  @Test("refuses one identifier or one digest twice, within a change and against what stands")
  func duplicates() throws {
    var generator = SeededGenerator(seed: 5)
    let one = key(1, team: 1, using: &generator)
    var same = key(2, team: 1, using: &generator)
    same.digest = one.digest
    func fault(_ base: KeySet, _ change: (inout KeySetEdit) -> Void) -> KeySetFault? {
      var edit = KeySetEdit(of: base)
      change(&edit)
      do throws(KeySetFault) {
        _ = try edit.finished()
        return nil
      } catch {
        return error
      }
    }
    #expect(
      fault(KeySet()) {
        $0.put(one)
        $0.put(one)
      } == .sameIdentifier(one.id))
    #expect(
      fault(KeySet()) {
        $0.put(one)
        $0.remove(one.id)
      } == .sameIdentifier(one.id))
    #expect(
      fault(KeySet()) {
        $0.put(one)
        $0.put(same)
      } != nil)
    var edit = KeySetEdit(of: KeySet())
    edit.put(one)
    let standing = try edit.finished()
    #expect(fault(standing) { $0.put(same) } == .sameDigest(one.id, same.id))
    // Controls: a digest may go over to another key, and a key may come as it is.
    #expect(
      fault(standing) {
        $0.put(same)
        $0.remove(one.id)
      } == nil)
    #expect(fault(standing) { $0.put(one) } == nil)
  }
}

@Suite("A packed key")
struct KeyRecordTests {
  @Test("has the layout that the contract gives")
  func layout() {
    var packed = PackedKeys()
    let record = KeyRecord(
      id: KeyID(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10), teamID: TeamID(high: 0, low: 0xAA),
      digest: KeyDigest(bytes: (0..<32).map { UInt8($0) }) ?? KeyDigest(), expiresAt: 0x0102)
    packed.append(record)
    let team = [UInt8](repeating: 0, count: 15) + [0xAA]
    let expected =
      (1...16).map { UInt8($0) } + team + (0..<32).map { UInt8($0) } + [2, 1, 0, 0, 0, 0, 0, 0]
    #expect(Array(packed.bytes) == expected)
    var read: [KeyRecord] = []
    PackedKeys.forEach(in: packed.bytes) { read.append($0) }
    #expect(read == [record])
    #expect(KeyRecord(record.wire) == record)
  }

  @Test("that never expires says so with a zero")
  func never() {
    let record = KeyRecord(id: .none, teamID: .none, digest: KeyDigest(), expiresAt: 0)
    #expect(record.expiresAt == .max && record.wire.expiresAt == 0)
  }
}
