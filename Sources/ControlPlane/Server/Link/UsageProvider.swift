// Usage as the control link serves it.

import GRPCCore
import Logging
import StraitControlLink
import StraitProtocol

struct UsageProvider: WireUsage.SimpleServiceProtocol {
  let ingest: UsageIngestService
  let logger: Logger

  func ship(request: WireUsageBatch, context: ServerContext) async throws -> WireUsageWatermark {
    let identity = try PeerIdentity.edge(of: context)
    return try await LinkErrors.mapped(logger) {
      let sequence = try await ingest.ingest(request, from: identity)
      return .with {
        $0.epoch = request.epoch
        $0.sequence = sequence
      }
    }
  }
}
