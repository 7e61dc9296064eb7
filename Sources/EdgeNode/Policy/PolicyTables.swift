// What a worker decides by: an immutable picture of one configuration version, made once and handed over whole.

import Glibc
import StraitProtocol
import Synchronization

/// A model as served by one upstream, ready for use on the data path.
package final class OfferEntry: Sendable {
  package let id: OfferID
  /// Into `PolicyTables.upstreams`.
  package let upstreamIndex: Int
  package let dialect: Dialect
  package let weight: UInt32
  package let model: [UInt8]
  /// What the upstream calls the model; empty where it is the same name.
  package let upstreamModel: [UInt8]

  init(
    id: OfferID, upstreamIndex: Int, dialect: Dialect, weight: UInt32, model: [UInt8], upstreamModel: [UInt8]
  ) {
    self.id = id
    self.upstreamIndex = upstreamIndex
    self.dialect = dialect
    self.weight = weight
    self.model = model
    self.upstreamModel = upstreamModel
  }
}

/// An origin that answers.
package final class UpstreamEntry: Sendable {
  package let id: UpstreamID
  package let name: String
  package let region: String
  package let origin: UpstreamOrigin
  package let pathPrefix: [UInt8]
  package let credentialStyle: WireCredentialStyle
  package let credential: Credential
  /// The credential's field as it is sent, its scheme before it.
  let credentialValue: Credential
  package let protocolChoice: WireUpstreamProtocol
  package let trustPEM: String
  /// Where its addresses may be. A control plane that does not say has upstreams from before there was a choice.
  package let network: UpstreamNetwork
  /// How the origin is verified; nil for an origin without TLS.
  package let tls: TLSContext?
  /// What the entry was made of, so that a later configuration with the same need not make it again.
  let wire: WireUpstream

  init(_ wire: WireUpstream, id: UpstreamID, trust: inout UpstreamTrust) throws(PolicyFault) {
    self.wire = wire
    self.id = id
    name = wire.name
    region = wire.region
    guard let origin = UpstreamOrigin(wire.origin) else {
      throw PolicyFault("upstream \(wire.name) has an origin that is not scheme://host[:port]")
    }
    self.origin = origin
    pathPrefix = Array(wire.pathPrefix.utf8)
    credentialStyle = wire.credentialStyle
    credential = Credential(Array(wire.credential))
    credentialValue =
      wire.credentialStyle == .bearer ? Credential(Array("Bearer ".utf8) + credential.bytes) : credential
    protocolChoice = wire.protocol
    trustPEM = wire.caPem
    network = wire.publicNetwork ? .public : .private
    tls = origin.isSecure ? try trust.context(wire.caPem, of: wire.name) : nil
    guard pathPrefix.isEmpty || pathPrefix.first == UInt8(ascii: "/") else {
      throw PolicyFault("upstream \(wire.name) has a path prefix that does not start with a slash")
    }
    if protocolChoice == .negotiated, !origin.isSecure {
      throw PolicyFault("upstream \(wire.name) wants its protocol negotiated, which needs https")
    }
    guard credential.bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw PolicyFault("upstream \(wire.name) has a credential with characters that a header cannot carry")
    }
  }

  /// Whether a pool of connections made for `other` can serve this entry too.
  package func sharesConnections(with other: UpstreamEntry) -> Bool {
    id == other.id && origin == other.origin && protocolChoice == other.protocolChoice
      && trustPEM == other.trustPEM && network == other.network
  }
}

/// TLS contexts by the trust they hold: reading the system's certificates costs milliseconds, once is enough.
struct UpstreamTrust {
  private var contexts = [String: TLSContext]()

  /// - Parameter known: entries of a configuration before
  init(reusing known: some Sequence<UpstreamEntry>) {
    for entry in known { contexts[entry.trustPEM] = entry.tls }
  }

  mutating func context(_ pem: String, of upstream: String) throws(PolicyFault) -> TLSContext {
    if let known = contexts[pem] { return known }
    do {
      let context = try TLSContext.client(trustPEM: pem)
      contexts[pem] = context
      return context
    } catch {
      throw PolicyFault("upstream \(upstream): \(error)")
    }
  }
}

/// A secret in memory. It does not print.
package struct Credential: Sendable, CustomStringConvertible, CustomReflectable {
  package let bytes: [UInt8]

  package init(_ bytes: [UInt8]) { self.bytes = bytes }
  package var description: String { "[credential]" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where an upstream is: scheme, host and port.
package struct UpstreamOrigin: Sendable, Equatable {
  package let isSecure: Bool
  package let host: String
  package let port: UInt16
  /// As `host` or `:authority` has it: without the scheme's own port.
  package let authority: [UInt8]

  /// - Parameter text: `http://host[:port]` or `https://host[:port]`, IPv6 addresses in brackets, no path
  package init?(_ text: String) {
    let rest: Substring
    if text.hasPrefix("https://") {
      isSecure = true
      rest = text.dropFirst(8)
    } else if text.hasPrefix("http://") {
      isSecure = false
      rest = text.dropFirst(7)
    } else {
      return nil
    }
    let hostEnd =
      rest.hasPrefix("[") ? rest.firstIndex(of: "]").map(rest.index(after:)) : rest.firstIndex(of: ":")
    let name = rest[..<(hostEnd ?? rest.endIndex)]
    let portText = rest[(hostEnd ?? rest.endIndex)...]
    guard !name.isEmpty, !name.contains(where: { "/?#@ ".contains($0) }) else { return nil }
    let standard: UInt16 = isSecure ? 443 : 80
    if portText.isEmpty {
      port = standard
    } else {
      guard portText.first == ":", let number = UInt16(portText.dropFirst()), number > 0 else { return nil }
      port = number
    }
    host = name.hasPrefix("[") ? String(name.dropFirst().dropLast()) : String(name)
    authority = Array((port == standard ? String(name) : "\(name):\(port)").utf8)
  }
}

package struct PolicyFault: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

package final class PolicyTables: Sendable {
  private static let made = Atomic<UInt64>(0)

  package let version: UInt64
  /// Unlike that of all other tables of the process. Whoever remembers what tables said remembers this and holds no
  /// reference: a weak one would make counting slow for all who hold the tables.
  package let serial = made.add(1, ordering: .relaxed).newValue
  package let upstreams: [UpstreamEntry]
  /// Answers to `GET /v1/models`, by dialect.
  package let models: ModelTable
  private let keys: KeyTable
  /// The same in all tables that have the same regions, upstreams and offers.
  package let catalogueRevision: Revision
  private let region: String

  /// - Parameters:
  ///   - state: checked whole; anything that cannot be served throws
  ///   - region: the edge's own: among offers of the same weight its upstreams come first
  ///   - previous: the tables before, whose parts serve again where nothing has changed
  package init(
    _ state: ConfigurationState, region: String, reusing previous: PolicyTables? = nil
  ) throws(PolicyFault) {
    version = state.version
    catalogueRevision = state.catalogueRevision
    self.region = region
    if let previous, previous.catalogueRevision == state.catalogueRevision, previous.region == region {
      upstreams = previous.upstreams
      models = previous.models
    } else {
      let (upstreams, indexes) = try Self.upstreams(state, known: previous?.upstreams ?? [])
      self.upstreams = upstreams
      models = ModelTable(
        try Self.offers(state, upstreams, indexes, region: region), upstreams: upstreams)
    }
    keys = KeyTable(state)
  }

  /// The caller with this key, if it may ask at this moment.
  /// - Parameter now: microseconds since 1970
  package func caller(_ digest: KeyDigest, now: Int64) -> Caller? {
    guard let caller = keys.find(digest), caller.expiresAt > now else { return nil }
    return caller
  }

  package var keyCount: Int { keys.count }

  private static func upstreams(
    _ state: ConfigurationState, known: [UpstreamEntry]
  ) throws(PolicyFault) -> ([UpstreamEntry], [UpstreamID: Int]) {
    var trust = UpstreamTrust(reusing: known)
    let before = Dictionary(known.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    var entries = [UpstreamEntry]()
    var indexes = [UpstreamID: Int]()
    for (id, wire) in state.upstreams.sorted(by: { $0.key < $1.key }) {
      indexes[id] = entries.count
      if let entry = before[id], entry.wire == wire {
        entries.append(entry)
      } else {
        entries.append(try UpstreamEntry(wire, id: id, trust: &trust))
      }
    }
    return (entries, indexes)
  }

  /// The offers, preferred first.
  private static func offers(
    _ state: ConfigurationState, _ upstreams: [UpstreamEntry], _ indexes: [UpstreamID: Int], region: String
  ) throws(PolicyFault) -> [OfferEntry] {
    var offers = [OfferEntry]()
    for (id, wire) in state.offers { offers.append(try offer(wire, id: id, indexes: indexes)) }
    offers.sort { left, right in
      if left.weight != right.weight { return left.weight > right.weight }
      let isLeftHere = upstreams[left.upstreamIndex].region == region
      let isRightHere = upstreams[right.upstreamIndex].region == region
      return isLeftHere != isRightHere ? isLeftHere : left.id < right.id
    }
    return offers
  }

  private static func offer(
    _ wire: WireOffer, id: OfferID, indexes: [UpstreamID: Int]
  ) throws(PolicyFault) -> OfferEntry {
    guard let upstreamID = UpstreamID(bytes: wire.upstreamID), let index = indexes[upstreamID] else {
      throw PolicyFault("an offer of \(wire.model) names an upstream that does not exist")
    }
    guard let dialect = Dialect(rawValue: UInt8(truncatingIfNeeded: wire.dialect.rawValue)) else {
      throw PolicyFault("an offer of \(wire.model) has a dialect that this edge does not know")
    }
    let isSame = wire.upstreamModel.isEmpty || wire.upstreamModel == wire.model
    return OfferEntry(
      id: id, upstreamIndex: index, dialect: dialect, weight: wire.weight, model: Array(wire.model.utf8),
      upstreamModel: isSame ? [] : Array(wire.upstreamModel.utf8))
  }
}
