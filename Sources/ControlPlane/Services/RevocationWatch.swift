// Hears of revocations: by PostgreSQL's notifications over a connection of its own, and by asking as a net under them.

import Logging
import Postgres
import ServiceLifecycle
import StraitControlLink

package struct RevocationWatch: Service {
  let configuration: PostgresConfiguration
  let publisher: RevocationPublisher
  let pool: PostgresPool
  let logger: Logger

  package static let pollSeconds = 2
  package static let pruneSeconds = 3600

  package init(
    configuration: PostgresConfiguration, publisher: RevocationPublisher, pool: PostgresPool, logger: Logger
  ) {
    self.configuration = configuration
    self.publisher = publisher
    self.pool = pool
    self.logger = logger
  }

  package func run() async {
    await cancelWhenGracefulShutdown {
      await withTaskExecutorPreference(LaneExecutor.shared) {
        await withTaskGroup(of: Void.self) { group in
          group.addTask { await listen() }
          group.addTask { await poll() }
          group.addTask { await prune() }
        }
      }
    }
    await publisher.stop()
    await pool.close()
  }

  /// Whatever is heard, the database is asked: a notification is only a reason to look.
  private func listen() async {
    for await _ in PostgresListener(configuration, channels: [RevocationStore.channel], logger: logger) {
      await publisher.refresh()
    }
  }

  private func poll() async {
    while !Task.isCancelled {
      await publisher.refresh()
      do { try await Task.sleep(for: .seconds(Self.pollSeconds)) } catch { return }
    }
  }

  private func prune() async {
    while !Task.isCancelled {
      do {
        try await Task.sleep(for: .seconds(Self.pruneSeconds))
        try await RevocationStore.prune(on: pool)
      } catch {
        if Task.isCancelled { return }
        logger.warning("cannot forget old revocations", metadata: ["error": "\(error)"])
      }
    }
  }
}
