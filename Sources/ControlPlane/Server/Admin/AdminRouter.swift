// The admin API's routes: what each takes, which service does it, what it gives.

import AdminAPI
import Hummingbird
import Logging
import Postgres

/// The services behind the admin API.
package struct AdminServices: Sendable {
  package let pool: PostgresPool
  package let regions: RegionService
  package let upstreams: UpstreamService
  package let offers: OfferService
  package let teams: TeamService
  package let keys: KeyService
  package let revocations: RevocationService
  package let edges: EdgeService
  package let identities: EdgeIdentityService
  package let usage: UsageService
  package let versions: VersionService
  package let rollouts: RolloutService

  package init(
    pool: PostgresPool, installation: Installation,
    edgeCertificateSeconds: Int = Validity.edgeCertificateSeconds
  ) {
    let changes = ChangeService(pool: pool)
    self.pool = pool
    regions = RegionService(changes: changes)
    upstreams = UpstreamService(changes: changes, key: installation.key)
    offers = OfferService(changes: changes)
    teams = TeamService(changes: changes)
    keys = KeyService(changes: changes)
    revocations = RevocationService(changes: changes)
    edges = EdgeService(changes: changes)
    identities = EdgeIdentityService(
      changes: changes, authority: installation.authority, certificateSeconds: edgeCertificateSeconds)
    usage = UsageService(pool: pool)
    versions = VersionService(changes: changes)
    rollouts = RolloutService(pool: pool)
  }
}

struct AdminRouter {
  typealias Context = BasicRequestContext

  let services: AdminServices
  private let router = Router(context: Context.self)

  init(services: AdminServices) {
    self.services = services
    router.add(middleware: ErrorMiddleware())
    addHealth()
    addFleet()
    addOffers()
    addCallers()
    addRevocations()
    addUsage()
    addVersions()
    addRollouts()
  }

  func responder() -> RouterResponder<Context> { router.buildResponder() }

  // MARK: Routes

  private func addHealth() {
    let pool = services.pool
    router.get(RouterPath(AdminRoute.health)) { _, _ in jsonResponse(["status": "ok"]) }
    router.get(RouterPath(AdminRoute.readiness)) { _, _ in
      _ = try await ChangeStore.newestVersion(on: pool)
      return jsonResponse(["status": "ready"])
    }
    route(.get, AdminRoute.status) { _ in try await StatusStore.read(on: pool) }
  }

  private func addFleet() {
    let (regions, edges, identities) = (services.regions, services.edges, services.identities)
    route(.get, AdminRoute.regions) { _ in try await regions.list() }
    route(.put, AdminRoute.regions) { request in
      try await regions.apply(try await request.document(), by: request.actor)
    }
    route(.get, AdminRoute.edges) { _ in try await edges.list() }
    route(.delete, AdminRoute.edges + "/:edge") { request in
      try await edges.evict(try request.parameter("edge"), by: request.actor)
    }
    route(.post, AdminRoute.joinTokens, status: .created) { request in
      try await identities.makeJoinToken(try await request.document(), by: request.actor)
    }
  }

  private func addOffers() {
    let (upstreams, offers) = (services.upstreams, services.offers)
    route(.get, AdminRoute.upstreams) { _ in try await upstreams.list() }
    route(.post, AdminRoute.upstreams, status: .created) { request in
      try await upstreams.create(try await request.document(), by: request.actor)
    }
    route(.put, AdminRoute.upstreams + "/:upstream") { request in
      try await upstreams.update(
        try request.parameter("upstream"), try await request.document(), by: request.actor)
    }
    route(.get, AdminRoute.offers) { _ in try await offers.list() }
    route(.post, AdminRoute.offers, status: .created) { request in
      try await offers.create(try await request.document(), by: request.actor)
    }
    route(.put, AdminRoute.offers + "/:offer") { request in
      try await offers.update(
        try request.parameter("offer"), try await request.document(), by: request.actor)
    }
    route(.delete, AdminRoute.offers + "/:offer") { request in
      try await offers.remove(try request.parameter("offer"), by: request.actor)
    }
  }

  private func addCallers() {
    let (teams, keys) = (services.teams, services.keys)
    route(.get, AdminRoute.teams) { _ in try await teams.list() }
    route(.post, AdminRoute.teams, status: .created) { request in
      try await teams.create(try await request.document(), by: request.actor)
    }
    route(.put, AdminRoute.teams + "/:team") { request in
      try await teams.update(
        try request.parameter("team"), try await request.document(), by: request.actor)
    }
    route(.get, AdminRoute.keys) { request in
      try await keys.list(team: try request.query(known: ["team"])["team"])
    }
    route(.post, AdminRoute.keys, status: .created) { request in
      try await keys.create(try await request.document(), by: request.actor)
    }
    route(.delete, AdminRoute.keys + "/:key") { request in
      try await keys.revoke(try request.parameter("key"), by: request.actor)
    }
  }

  private func addRevocations() {
    let revocations = services.revocations
    route(.put, AdminRoute.suspensions + "/:team") { request in
      try await revocations.setSuspended(
        try request.parameter("team"), try await request.document(), by: request.actor)
    }
    route(.get, AdminRoute.revocations) { request in
      try await revocations.list(limit: try request.query(known: ["limit"])["limit"])
    }
    route(.post, AdminRoute.revocations, status: .created) { request in
      try await revocations.revoke(try await request.document(), by: request.actor)
    }
    route(.get, AdminRoute.revocations + "/:number") { request in
      try await revocations.find(try request.parameter("number"))
    }
    route(.put, AdminRoute.revocations + "/:number") { request in
      try await revocations.confirm(try request.parameter("number"), by: request.actor)
    }
  }

  private func addUsage() {
    let usage = services.usage
    route(.get, AdminRoute.usage) { request in
      let given = try request.query(known: ["team", "key", "request", "since", "until", "limit", "after"])
      var query = UsageService.Query()
      query.team = given["team"]
      query.key = given["key"]
      query.request = given["request"]
      query.since = given["since"]
      query.until = given["until"]
      query.limit = given["limit"]
      query.after = given["after"]
      return try await usage.list(query)
    }
  }

  private func addVersions() {
    let versions = services.versions
    route(.get, AdminRoute.versions) { request in
      let given = try request.query(known: ["before", "limit"])
      return try await versions.list(before: given["before"], limit: given["limit"])
    }
    route(.get, AdminRoute.versions + "/:version/difference") { request in
      try await versions.difference(
        from: try request.query(known: ["from"])["from"], to: try request.parameter("version"))
    }
    route(.post, AdminRoute.versions + "/:version/rollback", status: .created) { request in
      try await versions.rollBack(
        to: try request.parameter("version"), confirm: try request.query(known: ["confirm"])["confirm"],
        by: request.actor)
    }
    route(.post, AdminRoute.versions + "/:version/confirm", status: .created) { request in
      try await versions.confirm(try request.parameter("version"), by: request.actor)
    }
  }

  private func addRollouts() {
    let rollouts = services.rollouts
    route(.get, AdminRoute.rollouts) { request in
      try await rollouts.list(limit: try request.query(known: ["limit"])["limit"])
    }
    route(.get, AdminRoute.rollouts + "/:number") { request in
      try await rollouts.find(try request.parameter("number"))
    }
    route(.post, AdminRoute.rollouts + "/:number/resume") { request in
      try await rollouts.resume(try request.parameter("number"), by: request.actor)
    }
    route(.post, AdminRoute.rollouts + "/:number/abort") { request in
      try await rollouts.abort(try request.parameter("number"), by: request.actor)
    }
  }

  /// A route for operators: the handler gets its request only once the token has been checked.
  private func route<Answer: Encodable & SendableMetatype>(
    _ method: HTTPRequest.Method, _ path: String, status: HTTPResponse.Status = .ok,
    _ handler: @escaping @Sendable (AdminRequest) async throws -> Answer
  ) {
    let pool = services.pool
    router.on(RouterPath(path), method: method) { request, context -> Response in
      let admitted = try await AdminRequest.authenticate(request, parameters: context.parameters, pool: pool)
      return jsonResponse(try await handler(admitted), status: status)
    }
  }
}
