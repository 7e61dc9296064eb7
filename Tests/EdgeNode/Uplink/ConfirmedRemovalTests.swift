import EdgeUplink
import Foundation
import StraitProtocol
import Testing

private let team = TeamID(high: 0x0303_0303_0303_0303, low: 0x0303_0303_0303_0303)

/// Version 5: 20 offers of 20 upstreams and 1,000 keys, the last of which end after a second.
private func standing(ending: UInt64 = 0) throws -> ConfigurationReceiver {
  var update = Updates.snapshot(version: 5)
  for number in UInt8(100)..<119 {
    var upstream = Updates.upstream(number)
    upstream.upstream.name = "provider-\(number)"
    var offer = Updates.offer(number, upstream: number)
    offer.offer.model = "model-\(number)"
    update.upserts += [upstream, offer]
  }
  var packed = PackedKeys(expecting: 999)
  for number in UInt64(0)..<999 {
    var digest = KeyDigest()
    digest.words = (number &* 0x9E37_79B9_7F4A_7C15, number, 0, 1)
    packed.append(
      KeyRecord(
        id: KeyID(high: 1, low: number), teamID: team, digest: digest,
        expiresAt: number >= 999 - ending ? 1_000_000 : 0))
  }
  update.packedKeys = packed.bytes
  var receiver = ConfigurationReceiver(state: ConfigurationState(), limits: UplinkLimits())
  guard case .apply(let state) = receiver.receive(update, now: 0) else { throw CancellationError() }
  #expect(state.offers.count == 20 && state.keys.count == 1000)
  receiver.commit(state)
  return receiver
}

/// From 5 to 6: so many offers and keys go.
private func removal(offers: Int, keys: Int = 0, confirmed: WireConfirmedRemovals?) -> WireConfigurationUpdate
{
  .with { update in
    update.lineage = Updates.lineage
    update.fromVersion = 5
    update.version = 6
    update.last = true
    let numbers = [2] + Array(UInt8(100)..<119)
    for number in numbers.prefix(offers) {
      update.removals.append(.with { $0.offer = Updates.identifier(number) })
    }
    for number in 0..<UInt64(keys) {
      update.removals.append(.with { $0.key = Data(KeyID(high: 1, low: number).bytes) })
    }
    if let confirmed { update.confirmedRemovals = confirmed }
  }
}

private func confirmed(since: UInt64 = 5, offers: UInt64 = 0, keys: UInt64 = 0) -> WireConfirmedRemovals {
  .with {
    $0.since = since
    $0.offers = offers
    $0.keys = keys
  }
}

@Suite("A removal of much")
struct ConfirmedRemovalTests {
  @Test(
    "is taken where somebody said for what the edge stands on that so much is meant to go",
    arguments: [
      removal(offers: 12, confirmed: confirmed(offers: 12)),
      removal(offers: 20, confirmed: confirmed(offers: 20)),
      removal(offers: 0, keys: 300, confirmed: confirmed(keys: 300)),
      // Of what is confirmed some may never have been here.
      removal(offers: 12, keys: 300, confirmed: confirmed(offers: 14, keys: 999)),
    ])
  func taken(_ update: WireConfigurationUpdate) throws {
    var receiver = try standing()
    guard case .apply(let next) = receiver.receive(update, now: 0) else {
      Issue.record("a confirmed removal was refused")
      return
    }
    #expect(next.version == 6)
  }

  @Test(
    "is refused without that, for less, for another kind, and for what another version has",
    arguments: [
      (removal(offers: 12, confirmed: nil), "12 of 20 offers would be gone at once"),
      (removal(offers: 20, confirmed: nil), "all 20 offers would be gone"),
      (removal(offers: 0, keys: 300, confirmed: nil), "300 of 1000 keys would be gone at once"),
      (
        removal(offers: 12, confirmed: confirmed(offers: 11)),
        "12 of 20 offers would be gone at once, of which 11 are confirmed"
      ),
      (
        removal(offers: 20, confirmed: confirmed(offers: 19)),
        "all 20 offers would be gone, of which 19 are confirmed"
      ),
      (
        removal(offers: 12, keys: 300, confirmed: confirmed(offers: 12)),
        "300 of 1000 keys would be gone at once"
      ),
      (
        removal(offers: 12, confirmed: confirmed(since: 4, offers: 12)),
        "12 of 20 offers would be gone at once"
      ),
    ] as [(WireConfigurationUpdate, String)])
  func refused(_ update: WireConfigurationUpdate, words: String) throws {
    var receiver = try standing()
    #expect(receiver.receive(update, now: 0) == .refuse(version: 6, reason: words, kind: .doubtful))
  }

  @Test(
    "of a small fleet is doubted where more goes than stays, and never where it is one",
    arguments: [
      (2, 1, true), (3, 1, true), (4, 1, true), (3, 2, false), (4, 2, true), (4, 3, false), (8, 4, true),
      (8, 5, false), (8, 7, false), (12, 6, true), (12, 7, false), (17, 9, false), (18, 9, true),
    ])
  func small(offers: Int, gone: Int, isTaken: Bool) throws {
    func update(from before: UInt64, to version: UInt64, _ numbers: Range<Int>) -> WireConfigurationUpdate {
      .with { update in
        update.lineage = Updates.lineage
        update.fromVersion = before
        update.version = version
        update.last = true
        for number in numbers {
          update.removals.append(.with { $0.offer = Updates.identifier(UInt8(100 + number)) })
        }
      }
    }
    var receiver = ConfigurationReceiver(state: ConfigurationState(), limits: UplinkLimits())
    var standing = Updates.snapshot(version: 5)
    for number in 1..<offers {
      var offer = Updates.offer(UInt8(100 + number), upstream: 1)
      offer.offer.model = "model-\(number)"
      standing.upserts.append(offer)
    }
    guard case .apply(let state) = receiver.receive(standing, now: 0) else { throw CancellationError() }
    receiver.commit(state)
    let answer = receiver.receive(update(from: 5, to: 6, 1..<1 + gone), now: 0)
    if isTaken {
      guard case .apply = answer else {
        Issue.record("refused")
        return
      }
    } else {
      let words = "\(gone) of \(offers) offers would be gone at once"
      #expect(answer == .refuse(version: 6, reason: words, kind: .doubtful))
    }
    // One after the other they may all go but the last.
    for number in 1..<offers {
      let version = UInt64(4 + number)
      guard
        case .apply(let next) = receiver.receive(
          update(from: version, to: version + 1, number..<number + 1), now: 0)
      else {
        Issue.record("one of \(offers - number + 1) was refused")
        return
      }
      receiver.commit(next)
    }
    #expect(receiver.state.offers.count == 1)
  }

  @Test("is confirmed by a snapshot too, which is what follows a refusal")
  func snapshot() throws {
    var receiver = try standing()
    var update = Updates.snapshot(version: 6)
    update.confirmedRemovals = .with {
      $0.since = 5
      $0.offers = 19
      $0.upstreams = 19
      $0.keys = 999
    }
    guard case .apply(let next) = receiver.receive(update, now: 0) else {
      Issue.record("a confirmed snapshot was refused")
      return
    }
    #expect(next.offers.count == 1 && next.keys.count == 1)
    update.clearConfirmedRemovals()
    guard case .refuse = receiver.receive(update, now: 0) else {
      Issue.record("an unconfirmed snapshot was taken")
      return
    }
  }

  @Test("counts keys that have ended neither as gone nor among those that were there")
  func ended() throws {
    var receiver = try standing(ending: 400)
    let hundred = removal(offers: 0, keys: 120, confirmed: nil)
    let more = removal(offers: 0, keys: 121, confirmed: nil)
    // Before they end, 121 of 1,000 are few; then 120 of 600 are a fifth, and one more is too many.
    for update in [hundred, more] {
      guard case .apply = receiver.receive(update, now: 999_999) else {
        Issue.record("an eighth of the keys was missed")
        return
      }
    }
    guard case .apply = receiver.receive(hundred, now: 1_000_000) else {
      Issue.record("a fifth of the keys was missed")
      return
    }
    #expect(
      receiver.receive(more, now: 1_000_000)
        == .refuse(version: 6, reason: "121 of 600 keys would be gone at once", kind: .doubtful))
    // Those that have ended may go together with that fifth.
    var all = hundred
    for number in UInt64(599)..<999 {
      all.removals.append(.with { $0.key = Data(KeyID(high: 1, low: number).bytes) })
    }
    guard case .apply(let next) = receiver.receive(all, now: 1_000_000) else {
      Issue.record("keys that had ended were missed")
      return
    }
    #expect(next.keys.count == 480)
  }

  @Test("nothing of it goes to an edge that would not know it")
  func olderContract() {
    let update = removal(offers: 12, confirmed: confirmed(offers: 12))
    #expect(update.understood(at: .confirming) == update)
    #expect(update.understood(at: .packed) == removal(offers: 12, confirmed: nil))
    var strict = Updates.team(3)
    strict.team.stalenessLimitSeconds = 900
    let upsert = WireConfigurationUpdate.with { $0.upserts = [strict] }
    #expect(upsert.understood(at: .packed) == upsert)
    #expect(upsert.understood(at: .first).upserts == [Updates.team(3)])
  }
}
