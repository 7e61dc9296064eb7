// Hears of evictions, made at whichever replica: by PostgreSQL's notifications, and by asking every few seconds as a net
// under them.

import Logging
import Postgres
import ServiceLifecycle
import StraitProtocol

package struct EvictionWatch: Service {
  let configuration: PostgresConfiguration
  let pool: PostgresPool
  let calls: EdgeCalls
  let logger: Logger

  package static let pollSeconds = 3

  package init(
    configuration: PostgresConfiguration, pool: PostgresPool, calls: EdgeCalls, logger: Logger
  ) {
    self.configuration = configuration
    self.pool = pool
    self.calls = calls
    self.logger = logger
  }

  package func run() async {
    await cancelWhenGracefulShutdown {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await listen() }
        group.addTask { await poll() }
      }
    }
  }

  private func listen() async {
    let events = PostgresListener(configuration, channels: [EdgeStore.evictionChannel], logger: logger)
    for await event in events {
      if case .notification(_, let payload) = event, let edge = EdgeID(payload) {
        end(edge)
      } else {
        await refresh()
      }
    }
  }

  private func poll() async {
    while !Task.isCancelled {
      await refresh()
      // Cancellation is the only error, and the loop's end.
      do { try await Task.sleep(for: .seconds(Self.pollSeconds)) } catch { return }
    }
  }

  private func refresh() async {
    let edges = calls.edges
    guard !edges.isEmpty else { return }
    do {
      for edge in try await EdgeStore.evicted(among: edges, on: pool) { end(edge) }
    } catch {
      logger.warning("cannot read which edges were evicted", metadata: ["error": "\(error)"])
    }
  }

  private func end(_ edge: EdgeID) {
    logger.notice("edge evicted", metadata: ["edge": "\(edge)"])
    calls.end(edge)
  }
}
