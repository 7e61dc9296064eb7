// Clients' keys: made, listed, revoked. The key itself exists in one answer only.

import AdminAPI
import Postgres
import StraitProtocol

package struct KeyService: Sendable {
  let changes: ChangeService

  package init(changes: ChangeService) {
    self.changes = changes
  }

  package func list(team: String?) async throws -> [KeySummary] {
    var id: TeamID?
    if let team { id = try await TeamService.resolve(team, on: changes.pool) }
    return try await KeyStore.list(team: id, on: changes.pool)
  }

  package func create(_ request: KeyRequest, by actor: Actor) async throws -> NewKey {
    let name = try Label(request.name ?? "", of: "key's name")
    let validSeconds = try request.validSeconds.map { asked in
      try Validity.seconds(asked, default: asked, in: Validity.keyRange)
    }
    var generator = SystemRandomNumberGenerator()
    let (key, publicID) = APIKey.generate(using: &generator)
    let id: KeyID = newIdentifier()
    let summary = try await changes.perform(by: actor) { transaction in
      let team = try await TeamService.resolve(request.team, on: transaction)
      let row = KeyStore.NewRow(
        id: id, team: team, publicID: publicID, digest: Digest(of: key), name: name,
        expiresAt: validSeconds.map { Moment.now.adding(seconds: $0) })
      try await KeyStore.insert(row, on: transaction)
      let summary = try await Self.summary(of: id, on: transaction)
      return (summary, Change("key.create", subject: publicID, resources: [ResourceKey(.key, id)]))
    }
    return NewKey(key: key, summary: summary)
  }

  /// Revoking what is revoked changes nothing and is no error.
  package func revoke(_ idOrPublicID: String, by actor: Actor) async throws -> KeySummary {
    let result = try await RevocationService(changes: changes).revoke([idOrPublicID], confirm: nil, by: actor)
    guard let summary = result.keys.first else { throw Refusal(.notFound, "the key is gone") }
    return summary
  }

  static func resolve(_ idOrPublicID: String, on session: some PostgresSession) async throws -> KeyID {
    if let id = try await KeyStore.withPublicID(idOrPublicID, on: session) { return id }
    if let id = KeyID(idOrPublicID), try await KeyStore.find(id, on: session) != nil { return id }
    // What was given may be a whole key, pasted by mistake: it is not repeated.
    throw Refusal(
      .notFound, "there is no such key",
      hint: "give the key's id or its public id, the 12 characters after sk-strait-; see `strait key list`")
  }

  static func summary(of id: KeyID, on session: some PostgresSession) async throws -> KeySummary {
    guard let summary = try await KeyStore.find(id, on: session) else {
      throw Refusal(.notFound, "key \(id) is gone")
    }
    return summary
  }
}
