// Takes the steps of rollouts when something has happened that may allow one, and every second while one is open. Says
// with each look that the control plane is there, so that its own absence is not taken for that of edges.

import Logging
import Postgres
import ServiceLifecycle

package struct RolloutCoordinator: Service {
  private let service: RolloutService
  private let logger: Logger
  private let wakes: AsyncStream<Void>
  private let wake: AsyncStream<Void>.Continuation

  static let pollMilliseconds = 1_000
  /// How long the end waits for the database at the most: connections are to be ended in order after it.
  static let leaveMilliseconds = 3_000

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
    await leave()
  }

  /// Has what was just written down decided upon before it returns.
  func decide() async { await step() }

  private func step() async {
    do {
      try await service.step()
    } catch {
      logger.warning("cannot take the next step of a rollout", metadata: ["error": "\(type(of: error))"])
    }
  }

  private func attend() async {
    do {
      try await service.attend()
    } catch {
      // A database that is away is told of by the steps.
      logger.debug("cannot note that the control plane is there", metadata: ["error": "\(type(of: error))"])
    }
  }

  /// The listeners, whose edges go with them, are stopped after this.
  private func leave() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.noteLeaving() }
      // Cancellation is its only error, and comes when it is not needed any more.
      group.addTask { do { try await Task.sleep(for: .milliseconds(Self.leaveMilliseconds)) } catch {} }
      await group.next()
      group.cancelAll()
    }
  }

  private func noteLeaving() async {
    do {
      try await service.leave()
    } catch {
      logger.warning("cannot note that edges are sent away", metadata: ["error": "\(type(of: error))"])
    }
  }

  private func poll() async {
    while !Task.isCancelled {
      await attend()
      wake.yield()
      // Cancellation is the only error, and the loop's end.
      do { try await Task.sleep(for: .milliseconds(Self.pollMilliseconds)) } catch { return }
    }
  }
}
