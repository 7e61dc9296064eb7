// The calls of edges that this replica serves at this moment, so that an eviction can end them.

import StraitProtocol
import Synchronization

package final class EdgeCalls: Sendable {
  private struct State {
    var ends: [EdgeID: [UInt64: AsyncStream<Void>.Continuation]] = [:]
    var next: UInt64 = 0
  }

  private let state = Mutex(State())

  package init() {}

  /// Edges with calls under way.
  package var edges: [EdgeID] { state.withLock { Array($0.ends.keys) } }

  /// A call that counts as under way for as long as its value lives.
  package func begin(of edge: EdgeID) -> EdgeCall {
    let (evictions, end) = AsyncStream.makeStream(of: Void.self)
    let number = state.withLock { state in
      state.next += 1
      state.ends[edge, default: [:]][state.next] = end
      return state.next
    }
    return EdgeCall(evictions) { [self] in
      state.withLock { state in
        state.ends[edge]?[number] = nil
        if state.ends[edge]?.isEmpty == true { state.ends[edge] = nil }
      }
    }
  }

  /// Ends the calls of the edge that are under way.
  package func end(_ edge: EdgeID) {
    let ends = state.withLock { $0.ends[edge].map { Array($0.values) } ?? [] }
    for end in ends { end.finish() }
  }
}

package final class EdgeCall: Sendable {
  /// Has no elements; it ends when the edge is evicted.
  private let evictions: AsyncStream<Void>
  private let onEnd: @Sendable () -> Void

  fileprivate init(_ evictions: AsyncStream<Void>, onEnd: @escaping @Sendable () -> Void) {
    self.evictions = evictions
    self.onEnd = onEnd
  }

  deinit { onEnd() }

  /// Runs the body while the edge is admitted and its certificate is good.
  /// - Throws: `EdgeEvicted`, or a `Refusal` when the certificate has ended
  package func run<Value: Sendable>(
    until expiry: Moment, _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body() }
      group.addTask { [evictions] in
        for await _ in evictions {}
        try Task.checkCancellation()
        throw EdgeEvicted()
      }
      group.addTask {
        try await Task.sleep(for: .microseconds(max(0, expiry.microseconds - Moment.now.microseconds)))
        throw Refusal(
          .unauthorised, "the edge's certificate has ended", hint: "connect again with the renewed one")
      }
      defer { group.cancelAll() }
      guard let value = try await group.next() ?? nil else { throw CancellationError() }
      return value
    }
  }
}
