// Upstreams: their credentials are sealed before they come near the database.

import AdminAPI
import Foundation
import Postgres
import StraitProtocol
import X509

package struct UpstreamService: Sendable {
  let changes: ChangeService
  let key: KeyEncryptionKey

  package init(changes: ChangeService, key: KeyEncryptionKey) {
    self.changes = changes
    self.key = key
  }

  package func list() async throws -> [UpstreamSummary] {
    try await UpstreamStore.list(on: changes.pool)
  }

  package func create(_ request: UpstreamRequest, by actor: Actor) async throws -> UpstreamSummary {
    let upstream = try UpstreamSpecification(request)
    if let pem = upstream.certificateAuthorityPEM { try Self.check(pem: pem) }
    let id: UpstreamID = newIdentifier()
    let sealed = try upstream.credential.map { try key.seal($0.bytes, for: .upstreamCredential(id)) }
    let taken = Refusal(
      .conflict, "upstream \(upstream.name) exists already",
      hint: "choose another name; see the upstreams with `strait upstream list`")
    return try await refusingDuplicates(as: taken) {
      try await changes.perform(by: actor) { transaction in
        try await requireRegion(upstream.region, on: transaction)
        try await UpstreamStore.insert(id, upstream, sealedCredential: sealed, on: transaction)
        guard let summary = try await UpstreamStore.find(id, on: transaction) else {
          throw Refusal(.notFound, "upstream \(id) is gone")
        }
        let change = Change(
          "upstream.create", subject: upstream.name, resources: [ResourceKey(.upstream, id)])
        return (summary, change)
      }
    }
  }

  /// Changes what is given; what is so already is no error and makes no version.
  package func update(
    _ nameOrID: String, _ request: UpstreamChangeRequest, by actor: Actor
  ) async throws -> UpstreamSummary {
    guard request != UpstreamChangeRequest() else {
      throw Refusal.invalid(
        "nothing is to be changed",
        hint: "give url, http_version, credential, credential_style, ca_pem, private or network")
    }
    return try await changes.perform(by: actor) { transaction in
      let id = try await Self.resolve(nameOrID, on: transaction)
      let authority = try await UpstreamStore.lockedAuthority(id, on: transaction)
      let upstream = try UpstreamSpecification(
        try await Self.summary(of: id, on: transaction), authority: authority, changing: request)
      if let pem = upstream.certificateAuthorityPEM { try Self.check(pem: pem) }
      let sealed = try upstream.credential.map { try key.seal($0.bytes, for: .upstreamCredential(id)) }
      let isNews = try await UpstreamStore.update(id, upstream, sealedCredential: sealed, on: transaction)
      let summary = try await Self.summary(of: id, on: transaction)
      let change = Change("upstream.update", subject: summary.name, resources: [ResourceKey(.upstream, id)])
      return (summary, isNews ? change : nil)
    }
  }

  /// The upstream of that name or id.
  static func resolve(_ nameOrID: String, on session: some PostgresSession) async throws -> UpstreamID {
    if let id = try await UpstreamStore.named(nameOrID, on: session) { return id }
    if let id = UpstreamID(nameOrID), try await UpstreamStore.find(id, on: session) != nil { return id }
    throw Refusal(
      .notFound, "upstream \(quoted(nameOrID)) does not exist",
      hint: "see the upstreams with `strait upstream list`, or add it with `strait upstream add`")
  }

  private static func summary(
    of id: UpstreamID, on session: some PostgresSession
  ) async throws -> UpstreamSummary {
    guard let summary = try await UpstreamStore.find(id, on: session) else {
      throw Refusal(.notFound, "upstream \(id) is gone")
    }
    return summary
  }

  /// Every block must be a certificate, and there must be one.
  private static func check(pem: String) throws {
    do {
      let blocks = pem.components(separatedBy: "-----BEGIN CERTIFICATE-----").dropFirst()
      for block in blocks { _ = try Certificate(pemEncoded: "-----BEGIN CERTIFICATE-----" + block) }
    } catch {
      throw Refusal.invalid(
        "ca_pem holds a certificate that cannot be read",
        hint: "give the text of the CA's .pem file, certificates only")
    }
  }
}
