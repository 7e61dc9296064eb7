import Foundation
import StraitProtocol
import TestSupport
import Testing

private func id(_ number: Int) -> Data { Data([UInt8](repeating: 0, count: 15) + [UInt8(number)]) }

private func key(_ number: Int, endsAt: Int64 = 0) -> WireResource {
  .with { resource in
    resource.key.id = id(number)
    resource.key.teamID = id(1)
    resource.key.digest = Data(repeating: UInt8(number), count: 32)
    resource.key.expiresAt = endsAt
  }
}

private func team(_ number: Int, _ name: String) -> WireResource {
  .with { resource in
    resource.team.id = id(number)
    resource.team.name = name
  }
}

private func upstream(_ number: Int, _ name: String) -> WireResource {
  .with { resource in
    resource.upstream.id = id(number)
    resource.upstream.name = name
    resource.upstream.region = "eu-west"
  }
}

private func offer(_ number: Int, _ model: String) -> WireResource {
  .with { resource in
    resource.offer.id = id(number)
    resource.offer.upstreamID = id(1)
    resource.offer.model = model
  }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { String(format: "%02x", $0) }.joined()
}

@Suite("The content hash")
struct ContentHashTests {
  private static let day = KeySums.dayMicroseconds

  /// SHA-256 of 01 0a 07 "eu-west", then with that of 05, sixteen bytes 04, sixteen 03, thirty-two 04 and eight 00 added to
  /// it in words of 64 bits, little-endian; by Python's hashlib.
  @Test("is what the contract says")
  func definition() throws {
    let region = try ConfigurationState().applying([update(to: 1, [.with { $0.region.name = "eu-west" }])])
    #expect(
      hexadecimal(region.contentHash(fromDay: 0))
        == "5f5686e69ae2f942abd5443fb78cdbc8e15860e87873ce88d93e8fbb34e31cfd")
    var sum = try ContentSum(WireResource.with { $0.region.name = "eu-west" })
    sum += try ContentSum(
      WireResource.with {
        $0.key.id = Data(repeating: 4, count: 16)
        $0.key.teamID = Data(repeating: 3, count: 16)
        $0.key.digest = Data(repeating: 4, count: 32)
      })
    #expect(hexadecimal(sum.bytes) == "92684553ec68b8d5b4bc4b7d7eea6dcba14cd0e07c05d47501d0ab379251d544")
    #expect(ConfigurationState().contentHash(fromDay: 0) == [UInt8](repeating: 0, count: 32))
  }

  @Test("is the same however a configuration was come to, and another for every other one")
  func history() throws {
    var generator = SeededGenerator()
    let ground: [WireResource] = [
      .with { $0.region.name = "eu-west" }, upstream(1, "first"), offer(1, "first"), team(1, "first"),
    ]
    var state = try ConfigurationState().applying([update(to: 1, ground)])
    var seen = [state.contentHash(fromDay: 0)]
    for version in UInt64(2)..<300 {
      let number = Int.random(in: 2..<30, using: &generator)
      let word = "word-\(version)"
      var delta = update(from: state.version, to: version)
      switch Int.random(in: 0..<8, using: &generator) {
      case 0: delta.upserts = [upstream(number, word)]
      case 1: delta.upserts = [offer(number, word)]
      case 2: delta.upserts = [team(number, word)]
      case 3: delta.removals = [.with { $0.upstream = id(number) }, .with { $0.offer = id(number) }]
      case 4: delta.removals = [.with { $0.team = id(number) }]
      case 5: delta.removals = [.with { $0.key = id(number) }, .with { $0.key = id(number + 30) }]
      case 6: delta.upserts = [key(number), key(number + 30, endsAt: Int64(version) * Self.day)]
      default: delta.upserts = [team(1, word), key(number, endsAt: Int64(number) * Self.day)]
      }
      let next = try state.applying([delta])
      // What the same delta must come to is said with it, by who made everything anew.
      let anew = try ConfigurationState().applying([next.snapshot()])
      #expect(anew == next)
      for day in [UInt32(0), 10, 20_000, .max] {
        #expect(anew.contentHash(fromDay: day) == next.contentHash(fromDay: day), "\(generator)")
      }
      var checked = delta
      checked.contentHash = Data(anew.contentHash(fromDay: 12))
      checked.hashedFromDay = 12
      #expect(try state.applying([checked]) == next)
      let isNews =
        anew.regions != state.regions || anew.upstreams != state.upstreams || anew.offers != state.offers
        || anew.teams != state.teams || anew.keys != state.keys
      #expect((next.contentHash(fromDay: 0) != state.contentHash(fromDay: 0)) == isNews, "\(generator)")
      seen.append(next.contentHash(fromDay: 0))
      state = next
    }
    #expect(Set(seen).count > 100)
  }

  @Test("leaves out what ends before a day")
  func ends() throws {
    let ground = [team(1, "first"), key(2), key(3, endsAt: 8 * Self.day)]
    let without = try ConfigurationState().applying([update(to: 1, ground)])
    let with = try without.applying([update(from: 1, to: 2, [key(4, endsAt: 5 * Self.day + 1)])])
    #expect(with.contentHash(fromDay: 5) != without.contentHash(fromDay: 5))
    #expect(with.contentHash(fromDay: 6) == without.contentHash(fromDay: 6))
    // A control: what ends later and what never does still counts.
    #expect(with.contentHash(fromDay: 8) != with.contentHash(fromDay: 9))
    #expect(with.contentHash(fromDay: 9) == with.contentHash(fromDay: .max))
    #expect(with.contentHash(fromDay: .max) != ConfigurationState().contentHash(fromDay: .max))
  }

  @Test("is asked for by an update that has one, and by a stored snapshot")
  func checked() throws {
    let ground = update(to: 1, [team(1, "first"), key(2)])
    let state = try ConfigurationState().applying([ground])
    var whole = state.snapshot()
    #expect(whole.contentHash == Data(state.contentHash(fromDay: 0)))
    whole.upserts[0].team.name = "misread"
    #expect(throws: ConfigurationFault.otherContent) { try ConfigurationState().applying([whole]) }
    whole.contentHash = Data()
    #expect(try ConfigurationState().applying([whole]).teams.count == 1)
    var twice = update(from: 1, to: 2, [key(2)])
    twice.contentHash = Data(state.contentHash(fromDay: 0))
    #expect(try state.applying([twice]).keys == state.keys)
    twice.upserts.append(key(3))
    #expect(throws: ConfigurationFault.otherContent) { try state.applying([twice]) }
  }

  @Test("changes with every field that the contract gives a resource", arguments: full)
  func fields(message: String, resource: WireResource) throws {
    let whole = try ContentSum(resource)
    let encoded: [UInt8] = try resource.serializedBytes()
    #expect(try ContentSum(WireResource(serializedBytes: encoded)) == whole)
    // The resource's own tag and length come first.
    let fields = try Self.fields(of: encoded, from: 2)
    #expect(Set(fields.map(\.number)) == Set(try Self.contract(message)), "a field is not tried")
    for (number, last) in fields {
      var changed = encoded
      changed[last] ^= 1
      let other = try WireResource(serializedBytes: changed)
      #expect(other != resource)
      #expect(try ContentSum(other) != whole, "field \(number) of \(message)")
    }
  }

  /// One of each kind, with nothing left out.
  private static let full: [(String, WireResource)] = [
    (
      "Region",
      .with {
        $0.region.name = "eu-west"
        $0.region.jurisdiction = "EEA"
        $0.region.title = "Western Europe"
      }
    ),
    (
      "Upstream",
      .with {
        $0.upstream.id = id(1)
        $0.upstream.name = "first"
        $0.upstream.region = "eu-west"
        $0.upstream.origin = "https://a.test"
        $0.upstream.pathPrefix = "/a"
        $0.upstream.protocol = .http1
        $0.upstream.credentialStyle = .bearer
        $0.upstream.credential = Data("secret".utf8)
        $0.upstream.caPem = "a certificate"
        $0.upstream.private = true
        $0.upstream.publicNetwork = true
      }
    ),
    (
      "Offer",
      .with {
        $0.offer.id = id(2)
        $0.offer.upstreamID = id(1)
        $0.offer.model = "a-model"
        $0.offer.upstreamModel = "its-model"
        $0.offer.dialect = .openai
        $0.offer.weight = 100
      }
    ),
    (
      "Team",
      .with {
        $0.team.id = id(3)
        $0.team.accountID = id(4)
        $0.team.name = "red"
        $0.team.suspended = true
        $0.team.stalenessLimitSeconds = 60
      }
    ),
    ("Key", key(5, endsAt: 3 * day)),
  ]

  /// The numbers of a message's fields, and where the last byte of each is. None of them has a hundred bytes.
  private static func fields(of bytes: [UInt8], from start: Int) throws -> [(number: Int, last: Int)] {
    var fields: [(number: Int, last: Int)] = []
    var place = start
    while place < bytes.count {
      let tag = Int(bytes[place])
      place += 1
      if tag & 7 == 2 {
        place += Int(bytes[place])
      } else {
        try #require(tag & 7 == 0)
        while bytes[place] >= 0x80 { place += 1 }
      }
      fields.append((tag >> 3, place))
      place += 1
    }
    return fields
  }

  /// As strait.proto has them.
  private static func contract(_ message: String) throws -> [Int] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
    let text = try String(
      contentsOf: root.appending(path: "Sources/Protocol/Contract/strait.proto"), encoding: .utf8)
    let start = try #require(text.firstRange(of: "message \(message) {"))
    let body = text[start.upperBound...].prefix { $0 != "}" }
    return body.matches(of: /= (\d+);/).compactMap { Int($0.1) }
  }

  @Test("of a sample is the sample's own")
  func sample() throws {
    let teams = (1..<9).map { team($0, "team-\($0)") }
    let state = try ConfigurationState().applying([
      update(to: 1, [.with { $0.region.name = "eu-west" }] + teams + (10..<40).map { key($0) })
    ])
    let sample = state.sample(keys: 5)
    // The control: it has less.
    #expect(sample.keys.count == 5 && sample.teams.count == 1)
    #expect(sample.contentHash(fromDay: 0) != state.contentHash(fromDay: 0))
    #expect(try ConfigurationState().applying([sample.snapshot()]) == sample)
  }

  @Test("is for edges that understand it alone")
  func levels() {
    let sent = WireConfigurationUpdate.with {
      $0.contentHash = Data(repeating: 1, count: 32)
      $0.hashedFromDay = 7
      $0.packedKeys = Data(repeating: 1, count: 72)
      $0.upserts = [.with { $0.upstream.publicNetwork = true }]
    }
    #expect(sent.understood(at: .networked) == sent)
    let plain = WireConfigurationUpdate.with {
      $0.packedKeys = sent.packedKeys
      $0.upserts = [.with { $0.upstream = .init() }]
    }
    #expect(sent.understood(at: .hashed) == plain)
    #expect(sent.understood(at: .confirming) == plain)
    #expect(sent.understood(at: .packed) == plain)
    #expect(sent.understood(at: .first).contentHash.isEmpty)
    #expect(ContractLevel(hello: 2) == .packed)
    #expect(ContractLevel(hello: 3) == .confirming)
    #expect(ContractLevel(hello: 4) == .hashed)
    #expect(ContractLevel(hello: 9) == .networked)
  }
}
