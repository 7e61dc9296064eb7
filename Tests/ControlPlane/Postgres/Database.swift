// What the database tests share.

import Logging
import Postgres
import TestSupport

let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A pool on a new, empty database of the shared cluster.
func freshPool(_ change: (inout PostgresPoolLimits) -> Void = { _ in }) async throws -> PostgresPool {
  try await openPool(on: PostgresCluster.freshDatabase(), change)
}

func openPool(
  on url: String, _ change: (inout PostgresPoolLimits) -> Void = { _ in }
) throws -> PostgresPool {
  var limits = PostgresPoolLimits()
  limits.acquireTimeoutSeconds = 60
  change(&limits)
  var configuration = try PostgresConfiguration(url: url)
  // A cluster that has only just begun answers late where much else runs.
  configuration.connectTimeoutSeconds = 60
  return PostgresPool(configuration, limits: limits, logger: quietLogger)
}

/// The error that `body` throws, nil when it throws none or another.
func databaseError<Value>(_ body: () async throws -> Value) async -> PostgresError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? PostgresError
  }
}

/// Lets tests wait for each other's steps: opened once, it stays open.
actor Gate {
  private var isOpen = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  func open() {
    isOpen = true
    for continuation in waiting { continuation.resume() }
    waiting = []
  }

  func pass() async {
    guard !isOpen else { return }
    await withCheckedContinuation { waiting.append($0) }
  }
}

/// Yields until `condition` holds.
func until(_ condition: () async throws -> Bool) async throws {
  while try await !condition() {
    try Task.checkCancellation()
    await Task.yield()
  }
}
