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
