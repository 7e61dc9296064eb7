// Uses new tables as workers would, before any worker has them: whatever traps then, does so in the process that tries.

import CLinux
import StraitProtocol

extension PolicyTables {
  /// Looks up every offer, makes every upstream's pool, TLS session and requests, and finds every key.
  /// - Parameter state: what the tables were made of
  /// - Throws: `PolicyFault` where a look-up does not find what is there
  package func tryOut(_ state: ConfigurationState) throws {
    try tryRoutes()
    let loop = try EventLoop(waker: LoopWaker())
    for upstream in upstreams { try tryUpstream(upstream, loop) }
    try tryKeys(state)
  }

  private func tryRoutes() throws(PolicyFault) {
    for offer in models.offers {
      let name = String(decoding: offer.model, as: UTF8.self)
      let isFound = offer.model.withUnsafeBytes { model in
        guard case .offers(let range) = models.route(model, offer.dialect) else { return false }
        return range.contains { models.offers[$0] === offer } && models.listing(model, offer.dialect) != nil
      }
      guard isFound, upstreams.indices.contains(offer.upstreamIndex) else {
        throw PolicyFault("an offer of \(name) is not found by its name")
      }
    }
    for dialect in Dialect.allCases where models.list(dialect).isEmpty {
      throw PolicyFault("there is no list of models")
    }
  }

  private func tryUpstream(_ upstream: UpstreamEntry, _ loop: EventLoop) throws {
    let owner = NoOwner()
    UpstreamPool(
      serial: 1, upstream: upstream.name, host: upstream.origin.host, port: upstream.origin.port,
      choice: .http1, tls: upstream.tls, network: upstream.network, loop: loop, limits: UpstreamLimits(),
      owner: owner
    ).retire()
    if let tls = upstream.tls {
      guard
        TLSSession(
          client: tls, serverName: upstream.origin.host, protocols: "\u{8}http/1.1", loop: loop.buffers)
          != nil
      else { throw PolicyFault("upstream \(upstream.name) cannot be spoken to over TLS") }
    }
    let request = HeaderBlock()
    request.append(.contentType, "content-type", "application/json")
    let head = HeaderBlock()
    for endpoint in Endpoint.allCases {
      ForwardedHeaders.writeRequest(
        request, to: upstream, path: endpoint.path, query: UnsafeRawBufferPointer(start: nil, count: 0),
        bodyCount: 2, into: head)
      guard head.count > 3 else {
        throw PolicyFault("upstream \(upstream.name) gets requests without a head")
      }
    }
  }

  private func tryKeys(_ state: ConfigurationState) throws(PolicyFault) {
    try state.keys.forEach { (key: KeyRecord) throws(PolicyFault) in
      guard let team = state.teams[key.teamID], !team.suspended, key.expiresAt > 0 else { return }
      guard caller(key.digest, now: 0)?.keyID == key.id else { throw PolicyFault("a key is not found") }
    }
    if caller(KeyDigest(), now: 0) != nil { throw PolicyFault("a key is found that nobody has") }
  }
}

/// Of pools that are made and connect nowhere.
private final class NoOwner: UpstreamPoolOwner {
  func resolve(_ pool: UpstreamPool) {}
  func addressRefused(_ refusal: AddressRefusal, by pool: UpstreamPool) {}
  func upstreamCut(_ reason: ConnectionCut) {}
}
