// Hears of new versions: by PostgreSQL's notifications, and by asking every few seconds as a net under them.

import Logging
import Postgres
import ServiceLifecycle

package struct ConfigurationWatch: Service {
  let configuration: PostgresConfiguration
  let publisher: ConfigurationPublisher
  let logger: Logger

  package static let pollSeconds = 3

  package init(configuration: PostgresConfiguration, publisher: ConfigurationPublisher, logger: Logger) {
    self.configuration = configuration
    self.publisher = publisher
    self.logger = logger
  }

  package func run() async {
    await cancelWhenGracefulShutdown {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await listen() }
        group.addTask { await poll() }
      }
    }
    await publisher.stop()
  }

  private func listen() async {
    let events = PostgresListener(configuration, channels: [ChangeStore.channel], logger: logger)
    for await _ in events { await publisher.refresh() }
  }

  private func poll() async {
    while !Task.isCancelled {
      await publisher.refresh()
      // Cancellation is the only error, and the loop's end.
      do { try await Task.sleep(for: .seconds(Self.pollSeconds)) } catch { return }
    }
  }
}
