// Accounts and teams.

import AdminAPI
import Postgres
import StraitProtocol

package struct TeamService: Sendable {
  let changes: ChangeService
  package static let defaultAccount = "default"

  package init(changes: ChangeService) {
    self.changes = changes
  }

  package func list() async throws -> [TeamSummary] {
    try await TeamStore.list(on: changes.pool)
  }

  package func create(_ request: TeamRequest, by actor: Actor) async throws -> TeamSummary {
    let name = try ResourceName(request.name, of: "team")
    let account = try ResourceName(request.account ?? Self.defaultAccount, of: "account")
    let limit = try StalenessLimit(asked: request.stalenessLimitSeconds ?? 0)
    let id: TeamID = newIdentifier()
    let newAccount: AccountID = newIdentifier()
    let taken = Refusal(
      .conflict, "account \(account) has a team \(name) already",
      hint: "choose another name; see the teams with `strait team list`")
    return try await refusingDuplicates(as: taken) {
      try await changes.perform(by: actor) { transaction in
        let account = try await TeamStore.accountNamed(account, orNew: newAccount, on: transaction)
        try await TeamStore.insert(
          id, account: account, name: name, stalenessLimit: limit, on: transaction)
        guard let summary = try await TeamStore.find(id, on: transaction) else {
          throw Refusal(.notFound, "team \(id) is gone")
        }
        return (summary, Change("team.create", subject: name, resources: [ResourceKey(.team, id)]))
      }
    }
  }

  /// Changes what is given; what is so already is no error and makes no version.
  package func update(
    _ nameOrID: String, _ request: TeamChangeRequest, by actor: Actor
  ) async throws -> TeamSummary {
    guard let asked = request.stalenessLimitSeconds else {
      throw Refusal.invalid("nothing is to be changed", hint: "give staleness_limit_seconds, 0 for never")
    }
    let limit = try StalenessLimit(asked: asked)
    return try await changes.perform(by: actor) { transaction in
      let id = try await Self.resolve(nameOrID, on: transaction)
      let isNews = try await TeamStore.setStalenessLimit(limit, id, on: transaction)
      guard let summary = try await TeamStore.find(id, on: transaction) else {
        throw Refusal(.notFound, "team \(id) is gone")
      }
      let change = Change("team.update", subject: summary.name, resources: [ResourceKey(.team, id)])
      return (summary, isNews ? change : nil)
    }
  }

  /// The team of that name or id.
  static func resolve(_ nameOrID: String, on session: some PostgresSession) async throws -> TeamID {
    let named = try await TeamStore.named(nameOrID, on: session)
    if named.count > 1 {
      throw Refusal(
        .conflict, "\(named.count) accounts have a team \(quoted(nameOrID))",
        hint: "name it by its id; see `strait team list`")
    }
    if let id = named.first { return id }
    if let id = TeamID(nameOrID), try await TeamStore.find(id, on: session) != nil { return id }
    throw Refusal(
      .notFound, "team \(quoted(nameOrID)) does not exist",
      hint: "see the teams with `strait team list`, or make it with `strait team create`")
  }
}
