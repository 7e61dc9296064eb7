import EdgeUplink
import Foundation
import StraitProtocol
import SwiftProtobuf
import Testing

/// One way in which an update can be bad, and what a person is told of it.
private struct Bad: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let words: String
  let update: @Sendable () throws -> [WireConfigurationUpdate]

  /// A delta from 5 to 6.
  init(
    _ what: String, _ words: String,
    _ spoil: @escaping @Sendable (inout WireConfigurationUpdate) throws -> Void
  ) {
    testDescription = what
    self.words = words
    update = {
      var update = Updates.delta(from: 5, to: 6, team: 30)
      try spoil(&update)
      return [update]
    }
  }

  static func snapshot(
    _ what: String, _ words: String,
    _ spoil: @escaping @Sendable (inout WireConfigurationUpdate) throws -> Void
  ) -> Bad {
    Bad(what, words) { update in
      update = large(version: 6)
      try spoil(&update)
    }
  }

  static func upstream(
    _ what: String, _ words: String, _ spoil: @escaping @Sendable (inout WireUpstream) -> Void
  ) -> Bad {
    Bad("an upstream " + what, words) { update in
      var resource = Updates.upstream(40)
      resource.upstream.name = "another"
      spoil(&resource.upstream)
      update.upserts.append(resource)
    }
  }

  static func offer(_ what: String, _ words: String, _ spoil: @escaping @Sendable (inout WireOffer) -> Void)
    -> Bad
  {
    Bad("an offer " + what, words) { update in
      var resource = Updates.offer(41, upstream: 1)
      resource.offer.model = "another-model"
      spoil(&resource.offer)
      update.upserts.append(resource)
    }
  }
}

/// What the edge stands on: a region, 20 upstreams, 120 offers, 60 teams and 1,000 keys.
private func large(version: UInt64) -> WireConfigurationUpdate {
  var update = Updates.snapshot(version: version)
  for number in UInt8(100)..<119 {
    var upstream = Updates.upstream(number)
    upstream.upstream.name = "provider-\(number)"
    update.upserts.append(upstream)
  }
  for number in UInt8(120)..<239 {
    var offer = Updates.offer(number, upstream: 1)
    offer.offer.model = "model-\(number)"
    update.upserts.append(offer)
  }
  for number in UInt8(50)..<109 { update.upserts.append(Updates.team(number)) }
  update.packedKeys = keys(999)
  return update
}

/// - Parameter secret: the same identifiers with another one are other keys to whoever holds them
private func keys(_ count: Int, from first: Int = 0, secret: UInt64 = 0, expiresAt: Int64 = 0) -> Data {
  var packed = PackedKeys(expecting: count)
  for number in first..<first + count {
    var digest = KeyDigest()
    digest.words = ((UInt64(number) &+ secret) &* 0x9E37_79B9_7F4A_7C15, UInt64(number), secret, 0)
    packed.append(
      KeyRecord(
        id: KeyID(high: 1, low: UInt64(number)),
        teamID: TeamID(high: 0x0303_0303_0303_0303, low: 0x0303_0303_0303_0303), digest: digest,
        expiresAt: expiresAt))
  }
  return packed.bytes
}

/// A second after 1970.
private let now: Int64 = 1_000_000

private func suspended(_ number: UInt8) -> WireResource {
  var team = Updates.team(number)
  team.team.suspended = true
  return team
}

private func teamReference(_ number: UInt8) -> WireResourceReference {
  .with { $0.team = Updates.identifier(number) }
}

/// Field 1000, with the value 1: of a contract that is not written yet.
private let newerField = Data([0xC0, 0x3E, 0x01])

private func withNewerField<Wire: SwiftProtobuf.Message>(_ message: Wire) throws -> Wire {
  try Wire(serializedBytes: try message.serializedData() + newerField)
}

private let bad: [Bad] = [
  // Versions and lineage.
  Bad("an older version", "version 4 is older than version 5") { $0.version = 4 },
  .snapshot("an older snapshot", "version 4 is older than version 5") { $0.version = 4 },
  .snapshot("version zero", "version 0, which none can be") { $0.version = 0 },
  Bad("a version beyond all", "which none can be") { $0.version = .max },
  .snapshot("no lineage", "no lineage") { $0.lineage = Data() },
  .snapshot("a lineage cut short", "no lineage") { $0.lineage = Data([1, 2, 3]) },
  Bad("a broken hash", "the content does not match its hash") {
    $0.contentHash = Data(repeating: 1, count: 32)
  },
  .snapshot("a broken hash of everything", "the content does not match its hash") {
    $0.contentHash = Data(repeating: 1, count: 32)
  },
  .snapshot("the hash of a configuration that had a team more", "the content does not match its hash") {
    $0.contentHash = Data(try ConfigurationState().applying([$0]).contentHash(fromDay: 0))
    let lost = $0.upserts.firstIndex { $0.team.id == Updates.identifier(50) }
    $0.upserts.remove(at: try #require(lost))
  },
  Bad("half a content hash", "a content hash of 16 bytes") { $0.contentHash = Data(repeating: 1, count: 16) },
  // Empty where something stood.
  .snapshot("an empty snapshot", "all 20 upstreams would be gone") {
    $0.upserts = [Updates.region("eu-west")]
    $0.packedKeys = Data()
  },
  .snapshot("no offers", "all 120 offers would be gone") { $0.upserts.removeAll { !$0.offer.model.isEmpty } },
  .snapshot("no keys", "all 1000 keys would be gone") {
    $0.upserts.removeAll { !$0.key.id.isEmpty }
    $0.packedKeys = Data()
  },
  .snapshot("a blank resource", "of a kind that this edge does not know") {
    $0.upserts.append(WireResource())
  },
  // Much gone at once.
  .snapshot("a third of the keys", "would be gone at once") { $0.packedKeys = keys(600) },
  .snapshot("half of the offers", "of 120 offers would be gone at once") { update in
    update.upserts.removeAll { $0.offer.model.hasPrefix("model-1") }
  },
  Bad("half of the teams removed", "30 of 60 teams would be gone at once") {
    $0.removals = (UInt8(50)..<80).map(teamReference)
    $0.upserts = []
  },
  Bad("a quarter of the keys removed", "250 of 1000 keys would be gone at once") { update in
    for number in 0..<250 {
      update.removals.append(.with { $0.key = Data(KeyID(high: 1, low: UInt64(number)).bytes) })
    }
  },
  // As much without a removal.
  Bad("every key's secret another", "999 of 1000 keys would be gone at once") {
    $0.packedKeys = keys(999, secret: 7)
  },
  Bad("every team suspended with its keys left in", "all 1000 keys would be gone (1000 suspended with their")
  {
    $0.upserts = [suspended(3)] + (UInt8(50)..<109).map(suspended)
  },
  Bad("every key's end in the past", "999 of 1000 keys would be gone at once (999 ended by a change)") {
    $0.packedKeys = keys(999, expiresAt: now - 1)
  },
  Bad("keys lost in three ways", "201 of 1000 keys would be gone at once (67 ended by a change)") {
    $0.packedKeys = keys(67, secret: 7) + keys(67, from: 100, expiresAt: now)
    for number in UInt64(200)..<267 {
      $0.removals.append(.with { $0.key = Data(KeyID(high: 1, low: number).bytes) })
    }
  },
  Bad("every offer of another model", "all 120 offers would be gone") { update in
    update.upserts = large(version: 6).upserts.filter { !$0.offer.model.isEmpty }.map { offer in
      var offer = offer
      offer.offer.model += "-of-another-name"
      return offer
    }
  },
  Bad("every offer of another dialect", "all 120 offers would be gone") { update in
    update.upserts = large(version: 6).upserts.filter { !$0.offer.model.isEmpty }.map { offer in
      var offer = offer
      offer.offer.dialect = .anthropic
      return offer
    }
  },
  // A jump in size.
  Bad("tenfold keys", "keys where there are 1000") { $0.packedKeys = keys(20_000, from: 5_000) },
  Bad("three times the teams", "teams where there are 60") { update in
    update.upserts = (0..<200).map { number in
      .with { $0.team.id = Data(TeamID(high: 7, low: UInt64(number)).bytes) }
    }
  },
  // Duplicates.
  Bad("a team twice", "twice") { $0.upserts.append(Updates.team(30)) },
  Bad("a region twice", "region eu-west twice") {
    $0.upserts += [Updates.region("eu-west"), Updates.region("eu-west")]
  },
  Bad("an offer twice", "twice") {
    $0.upserts += [Updates.offer(2, upstream: 1), Updates.offer(2, upstream: 1)]
  },
  Bad("an upstream twice", "upstream provider twice") {
    $0.upserts += [Updates.upstream(1), Updates.upstream(1)]
  },
  Bad("a team set and removed", "twice") { $0.removals = [teamReference(30)] },
  Bad("a team removed twice", "twice") { $0.removals = [teamReference(50), teamReference(50)] },
  Bad("a key twice", "twice") { $0.packedKeys = keys(1, from: 5_000) + keys(1, from: 5_000) },
  Bad("a key packed and by itself", "twice") {
    $0.upserts += [Updates.key(9, team: 3), Updates.key(9, team: 3)]
  },
  Bad("two keys of one digest", "two keys of one digest") {
    var other = Updates.key(9, team: 3)
    other.key.digest = Data(repeating: 4, count: 32)
    $0.upserts.append(other)
  },
  .snapshot("a doubled snapshot", "twice") { $0.upserts += $0.upserts },
  .snapshot("doubled keys", "twice") { $0.packedKeys += $0.packedKeys },
  .upstream("of a name that stands", "two upstreams have the name provider") { $0.name = "provider" },
  .offer("that is another's double", "two offers of a-model") { $0.model = "a-model" },
  // References to nothing.
  Bad("a key of no team", "a key names a team that does not exist") {
    $0.upserts.append(Updates.key(9, team: 200))
  },
  .offer("of no upstream", "names an upstream that does not exist") {
    $0.upstreamID = Updates.identifier(77)
  },
  .offer("of an upstream without a name", "names an upstream that does not exist") { $0.upstreamID = Data() },
  .upstream("in no region", "names region mars, which does not exist") { $0.region = "mars" },
  Bad("a region gone from under its upstreams", "which does not exist") {
    $0.removals = [.with { $0.region = "eu-west" }]
  },
  Bad("a team gone from over its keys", "a key names a team that does not exist") {
    $0.removals = [teamReference(3)]
  },
  // Malformed.
  Bad("packed keys cut short", "end in the middle of one") {
    $0.packedKeys = keys(2, from: 5_000).dropLast()
  },
  Bad("a key without a digest", "a digest of 32 bytes") {
    var key = Updates.key(9, team: 3)
    key.key.digest = Data()
    $0.upserts.append(key)
  },
  Bad("a key that expired before 1970", "expired before 1970") {
    var key = Updates.key(9, team: 3)
    key.key.expiresAt = -1
    $0.upserts.append(key)
  },
  Bad("a team without an id", "a team without an id") { $0.upserts[0].team.id = Data() },
  Bad("a team's account cut short", "account's id is not of 16 bytes") {
    $0.upserts[0].team.accountID = Data([1])
  },
  Bad("a huge name", "of more than 63 bytes") {
    $0.upserts[0].team.name = String(repeating: "x", count: 100_000)
  },
  Bad("a name with a line break", "control character") { $0.upserts[0].team.name = "a\nb" },
  Bad("a region without a name", "region's name that is empty") { $0.upserts.append(Updates.region("")) },
  Bad("a removal of nothing", "a removal without an id") { $0.removals = [.with { $0.key = Data() }] },
  Bad("a removal of no kind", "a removal of a kind") { $0.removals = [WireResourceReference()] },
  .upstream("without a name", "an upstream's name that is empty") { $0.name = "" },
  .upstream("without an id", "an upstream without an id") { $0.id = Data([1]) },
  .upstream("without an origin", "origin is not http:// or https://") { $0.origin = "" },
  .upstream("of another scheme", "origin is not http:// or https://") { $0.origin = "ftp://host" },
  .upstream("with a path in its origin", "more than a host and a port") { $0.origin = "https://host/path" },
  .upstream("with a user in its origin", "more than a host and a port") { $0.origin = "https://user@host" },
  .upstream("with a space in its origin", "a request cannot carry") { $0.origin = "https://ho st" },
  .upstream("with a prefix that is no path", "does not begin with a slash") { $0.pathPrefix = "v1" },
  .upstream("with a line break in its prefix", "a request cannot carry") { $0.pathPrefix = "/v1\r\nx: y" },
  .upstream("without a protocol", "without a protocol") { $0.protocol = .unspecified },
  .upstream("that negotiates without TLS", "which needs https") { $0.protocol = .negotiated },
  .upstream("without its credential", "without the credential that it needs") { $0.credential = Data() },
  .upstream("with a credential for nothing", "that it does not use") { $0.credentialStyle = .none },
  .upstream("with a line break in its credential", "a request cannot carry") {
    $0.credential = Data("a\r\nb".utf8)
  },
  .upstream("with a huge credential", "of more than 16384 bytes") {
    $0.credential = Data(repeating: 65, count: 20_000)
  },
  .upstream("without a credential style", "without a credential style") { $0.credentialStyle = .unspecified },
  .upstream("with a CA that is none", "holds no certificate") { $0.caPem = "not a certificate" },
  .upstream("with a huge CA", "CA of over 256 KiB") { $0.caPem = String(repeating: "x", count: 1 << 19) },
  .offer("without a dialect", "which has no dialect") { $0.dialect = .unspecified },
  .offer("without a model", "a model's name that is empty") { $0.model = "" },
  .offer("of a huge name", "of more than 200 bytes") { $0.model = String(repeating: "x", count: 201) },
  .offer("of a weight beyond all", "whose weight is 4294967295") { $0.weight = .max },
  // Of a newer version.
  .upstream("of a protocol to come", "protocol of upstream another that this edge does not know") {
    $0.protocol = .UNRECOGNIZED(9)
  },
  .upstream("of a credential style to come", "credential style of upstream another") {
    $0.credentialStyle = .UNRECOGNIZED(9)
  },
  .offer("of a dialect to come", "dialect in the offer of another-model") { $0.dialect = .UNRECOGNIZED(9) },
  Bad("a field to come in the update", "field in the update that this edge does not know") {
    $0 = try withNewerField($0)
  },
  Bad("a field to come in a team", "field in team") {
    $0.upserts[0].team = try withNewerField($0.upserts[0].team)
  },
  Bad("a field to come in a region", "field in region eu-west") {
    $0.upserts.append(
      .with { $0.region = (try? withNewerField(Updates.region("eu-west").region)) ?? WireRegion() })
  },
  Bad("a kind to come", "kind of resource that this edge does not know") {
    $0.upserts.append(try withNewerField(WireResource()))
  },
  Bad("a removal of a kind to come", "field in a removal") {
    $0.removals = [try withNewerField(WireResourceReference())]
  },
]

@Suite("A bad configuration")
struct BadConfigurationTests {
  @Test("of any kind is refused whole, with words, and the next good one is taken", arguments: bad)
  fileprivate func refused(_ bad: Bad) throws {
    var receiver = ConfigurationReceiver(state: ConfigurationState(), limits: UplinkLimits())
    guard case .apply(let standing) = receiver.receive(large(version: 5), now: now) else {
      Issue.record("the standing configuration was not taken")
      return
    }
    receiver.commit(standing)
    var answer = ConfigurationReceiver.Reception.wait
    for part in try bad.update() { answer = receiver.receive(part, now: now) }
    guard case .refuse(_, let reason, _) = answer else {
      Issue.record("taken, or not refused: \(bad.testDescription)")
      return
    }
    #expect(reason.contains(bad.words), "\(reason)")
    #expect(receiver.state == standing)
    guard case .apply = receiver.receive(Updates.delta(from: 5, to: 7, team: 31), now: now) else {
      Issue.record("a good update was not taken afterwards")
      return
    }
    guard case .apply = receiver.receive(large(version: 8), now: now) else {
      Issue.record("a good snapshot was not taken afterwards")
      return
    }
  }

  @Test("has at least fifty kinds")
  func kinds() {
    #expect(Set(bad.map(\.testDescription)).count >= 50)
  }

  @Test("is not one that takes keys in another way, where they are few, taken already, or meant to go")
  func goodChanges() throws {
    var allRevoked = ConfigurationReview()
    allRevoked.isRevoked = { _ in true }
    for way in ways(999) {
      #expect(try !isTaken(way), "the control")
      #expect(try isTaken(way, review: allRevoked), "revoked ahead of the configuration")
      #expect(try isTaken(way.confirmed(1000)) && !isTaken(way.confirmed(998)))
      // Those that have ended may end again, get another secret, or be suspended.
      #expect(try isTaken(way, keysEnd: now))
    }
    for way in ways(200).dropLast() { #expect(try isTaken(way), "a fifth") }
    // A team that was suspended before has nothing to lose.
    var later = ways(999)[0]
    (later.fromVersion, later.version) = (6, 7)
    #expect(try isTaken(later, after: [ways(999)[2]], review: allRevoked))
    #expect(try isTaken(later, after: [ways(999)[2].confirmed(1000)]))
  }

  /// Another secret, an end in the past, or a team that is suspended with its keys left in.
  private func ways(_ count: Int) -> [WireConfigurationUpdate] {
    var updates = [WireConfigurationUpdate](repeating: Updates.delta(from: 5, to: 6, team: 30), count: 3)
    updates[0].packedKeys = keys(count, secret: 7)
    updates[1].packedKeys = keys(count, expiresAt: now)
    updates[2].upserts = [suspended(3)]
    return updates
  }

  /// - Parameter keysEnd: 999 of the keys that the edge stands on
  private func isTaken(
    _ update: WireConfigurationUpdate, after earlier: [WireConfigurationUpdate] = [], keysEnd: Int64 = 0,
    review: ConfigurationReview = ConfigurationReview()
  ) throws -> Bool {
    var receiver = ConfigurationReceiver(
      state: ConfigurationState(), limits: UplinkLimits(), review: review)
    var standing = large(version: 5)
    standing.packedKeys = keys(999, expiresAt: keysEnd)
    for update in [standing] + earlier {
      guard case .apply(let state) = receiver.receive(update, now: now) else { throw CancellationError() }
      receiver.commit(state)
    }
    guard case .apply = receiver.receive(update, now: now) else { return false }
    return true
  }

  @Test("is not one that loses keys which have expired or are known to be revoked, or a few by hand")
  func goodRemovals() throws {
    func removing(_ count: Int) -> WireConfigurationUpdate {
      .with { update in
        update.lineage = Updates.lineage
        update.fromVersion = 5
        update.version = 6
        update.last = true
        for number in 0..<count {
          update.removals.append(.with { $0.key = Data(KeyID(high: 1, low: UInt64(number)).bytes) })
        }
      }
    }
    var review = ConfigurationReview()
    review.isRevoked = { $0.id.low < 500 }
    for (review, count) in [(ConfigurationReview(), 99), (ConfigurationReview(), 200), (review, 500)] {
      var receiver = ConfigurationReceiver(
        state: ConfigurationState(), limits: UplinkLimits(), review: review)
      guard case .apply(let standing) = receiver.receive(large(version: 5), now: now) else { continue }
      receiver.commit(standing)
      guard case .apply = receiver.receive(removing(count), now: now) else {
        Issue.record("\(count) were refused")
        continue
      }
    }
  }
}

extension WireConfigurationUpdate {
  fileprivate func confirmed(_ keys: UInt64) -> WireConfigurationUpdate {
    var update = self
    update.confirmedRemovals = .with {
      $0.since = fromVersion
      $0.keys = keys
    }
    return update
  }
}
