import Foundation
import StraitProtocol
import TestSupport
import Testing

private func id(_ number: UInt8) -> Data {
  Data([UInt8](repeating: 0, count: 15) + [number])
}

private func region(_ name: String) -> WireResource {
  .with { $0.region.name = name }
}

private func upstream(_ number: UInt8, in region: String) -> WireResource {
  .with { resource in
    resource.upstream.id = id(number)
    resource.upstream.name = "upstream-\(number)"
    resource.upstream.region = region
  }
}

private func offer(_ number: UInt8, of upstream: UInt8, model: String = "small") -> WireResource {
  .with { resource in
    resource.offer.id = id(number)
    resource.offer.upstreamID = id(upstream)
    resource.offer.model = model
  }
}

private func team(_ number: UInt8) -> WireResource {
  .with { resource in
    resource.team.id = id(number)
    resource.team.name = "team-\(number)"
  }
}

private func key(_ number: UInt8, of team: UInt8, digestBytes: Int = 32) -> WireResource {
  .with { resource in
    resource.key.id = id(number)
    resource.key.teamID = id(team)
    resource.key.digest = Data(repeating: number, count: digestBytes)
  }
}

private let everything = [
  region("eu-west"), upstream(1, in: "eu-west"), offer(2, of: 1), team(3), key(4, of: 3),
]

private func standing() throws -> ConfigurationState {
  try ConfigurationState().applying([update(to: 5, everything)])
}

extension ConfigurationState {
  /// The last byte of each key's id.
  fileprivate var keyNumbers: [UInt8?] {
    var numbers: [UInt8?] = []
    keys.forEach { numbers.append($0.id.bytes.last) }
    return numbers
  }
}

/// What applying throws, or nil.
private func fault(_ state: ConfigurationState, _ parts: [WireConfigurationUpdate]) -> ConfigurationFault? {
  do throws(ConfigurationFault) {
    _ = try state.applying(parts)
    return nil
  } catch {
    return error
  }
}

@Suite("An edge's configuration")
struct ConfigurationStateTests {
  @Test("is what the first snapshot says")
  func snapshot() throws {
    let state = try standing()
    #expect(state.version == 5 && state.lineage == Array(lineage))
    #expect(state.regions.keys.sorted() == ["eu-west"])
    #expect(
      state.upstreams.count == 1 && state.offers.count == 1 && state.teams.count == 1 && state.keys.count == 1
    )
  }

  @Test("changes by a delta, and the old one stays what it was")
  func delta() throws {
    let old = try standing()
    let new = try old.applying([
      update(
        from: 5, to: 6, [key(5, of: 3), offer(2, of: 1, model: "large")], removing: [.with { $0.key = id(4) }]
      )
    ])
    #expect(new.version == 6)
    #expect(new.keyNumbers == [5])
    #expect(new.offers.values.map(\.model) == ["large"])
    #expect(old.keyNumbers == [4])
    #expect(old.offers.values.map(\.model) == ["small"])
  }

  @Test("loses each kind of resource that a delta removes")
  func removals() throws {
    let state = try standing().applying([
      update(
        from: 5, to: 6,
        removing: [
          .with { $0.key = id(4) }, .with { $0.team = id(3) }, .with { $0.offer = id(2) },
          .with { $0.upstream = id(1) }, .with { $0.region = "eu-west" },
        ])
    ])
    #expect(state.regions.isEmpty && state.upstreams.isEmpty && state.offers.isEmpty)
    #expect(state.teams.isEmpty && state.keys.isEmpty)
    #expect(state.version == 6)
  }

  @Test("does not mind the removal of what is gone already")
  func removedTwice() throws {
    let state = try standing().applying([update(from: 5, to: 6, removing: [.with { $0.key = id(99) }])])
    #expect(state.keys.count == 1)
  }

  @Test("comes back the same from its own snapshot")
  func roundTrip() throws {
    let state = try standing()
    let bytes: Data = try state.snapshot().serializedBytes()
    let read = try WireConfigurationUpdate(serializedBytes: bytes)
    #expect(try ConfigurationState().applying([read]) == state)
    #expect(try standing().applying([read]) == state)
  }

  @Test("is replaced whole by a snapshot, also one of another database")
  func replaced() throws {
    let other = Data(repeating: 1, count: 16)
    let state = try standing().applying([update(to: 2, lineage: other, [region("us-east")])])
    #expect(state.version == 2 && state.lineage == Array(other))
    #expect(state.regions.keys.sorted() == ["us-east"] && state.keys.isEmpty)
  }

  @Test("may come in parts, whose order does not matter to references")
  func parts() throws {
    let state = try ConfigurationState().applying([
      update(to: 5, last: false, [key(4, of: 3), offer(2, of: 1)]),
      update(to: 5, last: false, [upstream(1, in: "eu-west"), team(3)]),
      update(to: 5, [region("eu-west")]),
    ])
    #expect(try state == standing())
  }
}

@Suite("A configuration update is refused whole")
struct ConfigurationFaultTests {
  @Test("when it has no parts or its last part is missing")
  func incomplete() throws {
    #expect(fault(try standing(), []) == .incomplete)
    #expect(fault(try standing(), [update(from: 5, to: 6, last: false, [team(8)])]) == .incomplete)
  }

  @Test("when it is a change of another database")
  func otherLineage() throws {
    let other = Data(repeating: 1, count: 16)
    #expect(fault(try standing(), [update(from: 5, to: 6, lineage: other)]) == .otherLineage)
    #expect(fault(ConfigurationState(), [update(from: 5, to: 6)]) == .otherLineage)
  }

  @Test("when it does not start where the edge stands")
  func gap() throws {
    #expect(fault(try standing(), [update(from: 6, to: 7)]) == .gap(have: 5, from: 6))
    #expect(fault(try standing(), [update(from: 4, to: 6)]) == .gap(have: 5, from: 4))
  }

  @Test("when it goes back to an older version")
  func older() throws {
    #expect(fault(try standing(), [update(from: 5, to: 4)]) == .versionGoesBack(have: 5, offered: 4))
  }

  @Test("when a resource has no name, no id or no digest")
  func malformed() throws {
    let bad: [WireResource] = [
      region(""), .with { $0.upstream.name = "x" }, .with { $0.offer.model = "x" },
      offer(2, of: 1, model: ""),
      .with { $0.team.id = Data(repeating: 1, count: 15) },
      .with { $0.key.digest = Data(repeating: 1, count: 32) },
      key(4, of: 3, digestBytes: 31), key(4, of: 3, digestBytes: 0), WireResource(),
    ]
    for resource in bad {
      guard case .malformed = fault(try standing(), [update(from: 5, to: 6, [resource])]) else {
        Issue.record("accepted: \(resource)")
        continue
      }
    }
    // The control: the same with good resources is accepted.
    #expect(fault(try standing(), [update(from: 5, to: 6, everything)]) == nil)
  }

  @Test("when a removal names nothing that could be an id")
  func malformedRemoval() throws {
    let bad: [WireResourceReference] = [
      WireResourceReference(), .with { $0.key = Data() }, .with { $0.team = Data([1]) },
      .with { $0.offer = Data(repeating: 0, count: 17) }, .with { $0.upstream = Data() },
    ]
    for reference in bad {
      guard case .malformed = fault(try standing(), [update(from: 5, to: 6, removing: [reference])]) else {
        Issue.record("accepted: \(reference)")
        continue
      }
    }
  }

  @Test(
    "when it leaves a reference to nothing",
    arguments: [
      ([upstream(7, in: "mars")], []), ([offer(7, of: 99)], []), ([key(7, of: 99)], []),
      ([], [WireResourceReference.with { $0.region = "eu-west" }]), ([], [.with { $0.upstream = id(1) }]),
      ([], [.with { $0.team = id(3) }]),
    ])
  func dangling(upserts: [WireResource], removals: [WireResourceReference]) throws {
    guard case .dangling = fault(try standing(), [update(from: 5, to: 6, upserts, removing: removals)]) else {
      Issue.record("accepted")
      return
    }
  }

  @Test("with words that say what is wrong")
  func words() {
    #expect(
      ConfigurationFault.gap(have: 5, from: 7).description
        == "the update starts from version 7, but version 5 is here")
    #expect(
      ConfigurationFault.versionGoesBack(have: 5, offered: 4).description
        == "version 4 is older than version 5, which is here")
    #expect(
      ConfigurationFault.malformed("a region without a name").description
        == "the update has a region without a name")
  }
}
