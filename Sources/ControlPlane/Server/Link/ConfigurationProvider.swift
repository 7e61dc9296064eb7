// Configuration as the control link serves it: one stream an edge, updates down, status up.

import GRPCCore
import Logging
import Postgres
import StraitControlLink
import StraitProtocol

struct ConfigurationProvider: WireConfiguration.SimpleServiceProtocol {
  let publisher: ConfigurationPublisher
  let rollouts: RolloutCoordinator
  let pool: PostgresPool
  let lineage: LineageID
  let logger: Logger
  let admission = StreamAdmission()
  private let leaves: EdgeLeaves

  init(
    publisher: ConfigurationPublisher, rollouts: RolloutCoordinator, pool: PostgresPool, lineage: LineageID,
    logger: Logger
  ) {
    self.publisher = publisher
    self.rollouts = rollouts
    self.pool = pool
    self.lineage = lineage
    self.logger = logger
    leaves = EdgeLeaves(pool: pool)
  }

  func follow(
    request: RPCAsyncSequence<WireConfigurationStatus, any Error>,
    response: RPCWriter<WireConfigurationUpdate>,
    context: ServerContext
  ) async throws {
    let identity = try PeerIdentity.edge(of: context)
    try await LinkErrors.mapped(logger) {
      try await admission.admit()
      let stream = FollowStream(
        identity: identity, pool: pool, publisher: publisher, rollouts: rollouts, leaves: leaves,
        lineage: lineage, logger: logger)
      try await stream.run(request, response)
    }
  }
}
