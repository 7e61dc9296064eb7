// The door of the control link: every call of every service passes here. It is refused to edges that are not in the
// fleet, and a call under way ends with its edge's eviction or certificate.

import GRPCCore
import Logging
import Postgres
import StraitProtocol

struct EdgeAdmission: ServerInterceptor {
  let calls: EdgeCalls
  let logger: Logger
  private let standings: Gathering<EdgeIdentity, EdgeStanding>

  init(calls: EdgeCalls, pool: PostgresPool, logger: Logger) {
    self.calls = calls
    self.logger = logger
    standings = Gathering { try await EdgeStore.standings(of: $0, on: pool) }
  }

  func intercept<Input: Sendable, Output: Sendable>(
    request: StreamingServerRequest<Input>, context: ServerContext,
    next:
      @Sendable (StreamingServerRequest<Input>, ServerContext) async throws -> StreamingServerResponse<
        Output
      >
  ) async throws -> StreamingServerResponse<Output> {
    let peer = try PeerCertificate(of: context)
    // Begun before the look at the database: an eviction that comes after the look finds the call.
    let call = calls.begin(of: peer.identity.edge)
    try await LinkErrors.mapped(logger) {
      try await standings.ask(peer.identity).requireAdmitted()
    }
    var response = try await next(request, context)
    guard case .success(var contents) = response.accepted else { return response }
    let produce = contents.producer
    contents.producer = { [logger] writer in
      try await LinkErrors.mapped(logger) {
        try await call.run(until: peer.expiresAt) { try await produce(writer) }
      }
    }
    response.accepted = .success(contents)
    return response
  }
}
