// Models by name, and what `GET /v1/models` says of them.

import Glibc
import StraitProtocol

/// What a model's name and a dialect lead to.
package enum RouteDecision: Sendable {
  /// Indexes into `ModelTable.offers`, in the order in which they are tried.
  case offers(Range<Int>)
  /// The model is served, but only in the other dialect.
  case otherDialect
  case unknownModel
}

package struct ModelTable: Sendable {
  /// Grouped by model and dialect, the preferred first.
  package let offers: [OfferEntry]
  private let groups: [Group]
  /// Open addressing into `groups`; -1 is free.
  private let slots: [Int32]
  /// `GET /v1/models` in each dialect.
  private let openAIList: [UInt8]
  private let anthropicList: [UInt8]
  private let listings: [(openAI: [UInt8], anthropic: [UInt8])]

  private struct Group: Sendable {
    let model: [UInt8]
    var openAI: Range<Int> = 0..<0
    var anthropic: Range<Int> = 0..<0
  }

  /// - Parameter ordered: offers, preferred first
  init(_ ordered: [OfferEntry], upstreams: [UpstreamEntry]) {
    let byModel = Dictionary(grouping: ordered, by: \.model)
    var offers = [OfferEntry]()
    var groups = [Group]()
    for model in byModel.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      var group = Group(model: model)
      for dialect in Dialect.allCases {
        let start = offers.count
        offers += byModel[model, default: []].filter { $0.dialect == dialect }
        switch dialect {
        case .openAI: group.openAI = start..<offers.count
        case .anthropic: group.anthropic = start..<offers.count
        }
      }
      groups.append(group)
    }
    self.offers = offers
    self.groups = groups
    slots = Self.slots(groups)
    listings = groups.map { group in
      let first = (group.openAI.isEmpty ? group.anthropic : group.openAI).lowerBound
      return ModelListing.entries(group.model, owner: upstreams[offers[first].upstreamIndex].name)
    }
    openAIList = ModelListing.openAI(listings.map(\.openAI))
    anthropicList = ModelListing.anthropic(
      listings.map(\.anthropic), first: groups.first?.model, last: groups.last?.model)
  }

  package func route(_ model: UnsafeRawBufferPointer, _ dialect: Dialect) -> RouteDecision {
    guard let index = find(model) else { return .unknownModel }
    let range = dialect == .openAI ? groups[index].openAI : groups[index].anthropic
    return range.isEmpty ? .otherDialect : .offers(range)
  }

  /// The list of all models as JSON.
  package func list(_ dialect: Dialect) -> [UInt8] {
    dialect == .openAI ? openAIList : anthropicList
  }

  /// One model as JSON; nil where there is none of that name.
  package func listing(_ model: UnsafeRawBufferPointer, _ dialect: Dialect) -> [UInt8]? {
    guard let index = find(model) else { return nil }
    return dialect == .openAI ? listings[index].openAI : listings[index].anthropic
  }

  private func find(_ model: UnsafeRawBufferPointer) -> Int? {
    let mask = slots.count - 1
    var slot = Self.hash(model) & mask
    while slots[slot] >= 0 {
      let index = Int(slots[slot])
      let found = groups[index].model.withUnsafeBytes { known in
        guard known.count == model.count, let left = known.baseAddress, let right = model.baseAddress else {
          return false
        }
        return memcmp(left, right, model.count) == 0
      }
      if found { return index }
      slot = (slot + 1) & mask
    }
    return nil
  }

  private static func slots(_ groups: [Group]) -> [Int32] {
    var capacity = 8
    while capacity < groups.count * 2 + 1 { capacity *= 2 }
    var slots = [Int32](repeating: -1, count: capacity)
    for (index, group) in groups.enumerated() {
      var slot = group.model.withUnsafeBytes(hash) & (capacity - 1)
      while slots[slot] >= 0 { slot = (slot + 1) & (capacity - 1) }
      slots[slot] = Int32(index)
    }
    return slots
  }

  /// FNV-1a. Names are the operator's, so nobody can aim collisions at the table; a client's guess costs one probe.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 32)
  }
}

/// The JSON of the models endpoint, made when a configuration is taken on.
private enum ModelListing {
  static func entries(_ model: [UInt8], owner: String) -> (openAI: [UInt8], anthropic: [UInt8]) {
    let name = quoted(model)
    let openAI = Array(
      "{\"id\":\(name),\"object\":\"model\",\"created\":0,\"owned_by\":\(quoted(Array(owner.utf8)))}".utf8)
    let anthropic = Array(
      "{\"type\":\"model\",\"id\":\(name),\"display_name\":\(name),\"created_at\":\"1970-01-01T00:00:00Z\"}"
        .utf8)
    return (openAI, anthropic)
  }

  static func openAI(_ entries: [[UInt8]]) -> [UInt8] {
    Array("{\"object\":\"list\",\"data\":[".utf8) + Array(entries.joined(separator: [UInt8(ascii: ",")]))
      + Array("]}".utf8)
  }

  static func anthropic(_ entries: [[UInt8]], first: [UInt8]?, last: [UInt8]?) -> [UInt8] {
    let ends =
      "],\"has_more\":false,\"first_id\":\(first.map(quoted) ?? "null"),\"last_id\":\(last.map(quoted) ?? "null")}"
    return Array("{\"data\":[".utf8) + Array(entries.joined(separator: [UInt8(ascii: ",")]))
      + Array(ends.utf8)
  }

  private static func quoted(_ bytes: [UInt8]) -> String {
    let out = ByteQueue()
    bytes.withUnsafeBytes { JSONEscaping.append($0, into: out) }
    return "\"" + String(decoding: out.readable, as: UTF8.self) + "\""
  }
}
