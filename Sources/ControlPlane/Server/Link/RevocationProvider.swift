// Revocations as the control link serves them: one stream an edge, revocations down, what became of them up.

import GRPCCore
import Logging
import Postgres
import StraitControlLink
import StraitProtocol

struct RevocationProvider: WireRevocations.SimpleServiceProtocol {
  let publisher: RevocationPublisher
  /// The lane's own.
  let pool: PostgresPool
  let logger: Logger

  func watch(
    request: RPCAsyncSequence<WireRevocationStatus, any Error>, response: RPCWriter<WireRevocation>,
    context: ServerContext
  ) async throws {
    let identity = try PeerIdentity.edge(of: context)
    try await LinkErrors.mapped(logger) {
      try await withTaskExecutorPreference(LaneExecutor.shared) {
        try await RevocationStream(edge: identity.edge, pool: pool, publisher: publisher, logger: logger)
          .run(request, response)
      }
    }
  }
}
