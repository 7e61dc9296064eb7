// Takes the steps of rollouts when something has happened that may allow one, and every second while one is open.

import Logging
import Postgres
import ServiceLifecycle

package struct RolloutCoordinator: Service {
  private let service: RolloutService
  private let logger: Logger
  private let wakes: AsyncStream<Void>
  private let wake: AsyncStream<Void>.Continuation

  static let pollMilliseconds = 1_000

  package init(service: RolloutService, logger: Logger) {
    self.service = service
    self.logger = logger
    // Of several reasons to look one is enough.
    (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Says that an edge has answered, come or gone.
  package func look() { wake.yield() }

  package func run() async {
    await cancelWhenGracefulShutdown {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.poll() }
        for await _ in wakes { await step() }
        group.cancelAll()
      }
    }
  }

  private func step() async {
    do {
      try await service.step()
    } catch {
      logger.warning("cannot take the next step of a rollout", metadata: ["error": "\(type(of: error))"])
    }
  }

  private func poll() async {
    while !Task.isCancelled {
      wake.yield()
      // Cancellation is the only error, and the loop's end.
      do { try await Task.sleep(for: .milliseconds(Self.pollMilliseconds)) } catch { return }
    }
  }
}
