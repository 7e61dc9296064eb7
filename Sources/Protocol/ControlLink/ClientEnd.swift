// Ends a client together with its calls, so that none is left waiting for a connection that nobody will make.

package import GRPCCore

extension GRPCClient {
  /// Runs the connections while the body makes its calls.
  ///
  /// Not `withGRPCClient`, whose connections end at once when the caller is cancelled. A call that comes just then to wait
  /// for one finds nobody who would wake it, and waits for ever. Here they outlive the body, and a cancellation closes
  /// them, which ends every call that waits.
  /// - Parameter lane: where the connections run; nil for the threads that all tasks share
  package func withConnections<Result: Sendable>(
    on lane: LaneExecutor? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (GRPCClient) async throws -> Result
  ) async throws -> Result {
    let connections = Task(executorPreference: lane) { try await self.runConnections() }
    do {
      let result = try await withTaskCancellationHandler {
        try await body(self)
      } onCancel: {
        beginGracefulShutdown()
      }
      beginGracefulShutdown()
      await withTaskCancellationHandler {
        _ = await connections.result
      } onCancel: {
        connections.cancel()
      }
      return result
    } catch {
      connections.cancel()
      _ = await connections.result
      throw error
    }
  }
}
