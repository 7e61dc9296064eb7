// COPY: bulk data to and from the server.

import Dispatch

extension PostgresConnection {
  /// Loads rows with `COPY table (columns) FROM STDIN (FORMAT binary)`.
  ///
  /// Binary COPY converts nothing: each value has exactly its column's type (`Int32` for integer, `Int64` for bigint,
  /// `String` for text). When the sequence throws or the task is cancelled, nothing is loaded.
  /// - Returns: the number of rows loaded
  @discardableResult
  package func copyIn<Rows: AsyncSequence>(_ statement: Statement, rows: Rows) async throws -> Int
  where Rows.Element == [any PostgresEncodable], Rows: Sendable {
    try await copyIn(statement, binary: true) { send in
      var buffer = CopyBuffer()
      for try await row in rows {
        try buffer.append(row)
        if buffer.isFull { try await send(buffer.take()) }
      }
      try await send(buffer.takeLast())
    }
  }

  @discardableResult
  package func copyIn<Rows: Sequence>(_ statement: Statement, rows: Rows) async throws -> Int
  where Rows.Element == [any PostgresEncodable], Rows: Sendable {
    try await copyIn(statement, binary: true) { send in
      var buffer = CopyBuffer()
      for row in rows {
        try buffer.append(row)
        if buffer.isFull { try await send(buffer.take()) }
      }
      try await send(buffer.takeLast())
    }
  }

  /// Loads text or CSV, as the statement says, in chunks that may end anywhere.
  @discardableResult
  package func copyIn<Chunks: AsyncSequence>(_ statement: Statement, textChunks chunks: Chunks) async throws
    -> Int
  where Chunks.Element == [UInt8], Chunks: Sendable {
    try await copyIn(statement, binary: false) { send in
      for try await chunk in chunks { try await send(chunk) }
    }
  }

  private func copyIn(
    _ statement: Statement, binary: Bool,
    _ produce: (@Sendable ([UInt8]) async throws -> Void) async throws -> Void
  ) async throws -> Int {
    try await withOperation {
      try await beginCopy(statement, .copyIn, binary: binary)
      do {
        try await produce { chunk in try await self.sendCopyData(chunk) }
      } catch is CopyRefused {
        // The server has said why; `collect` reads it.
      } catch {
        try await abandonCopyIn()
        throw error
      }
      if libpq?.endCopy(failure: nil) != true, libpq?.hasFailed == true { throw lost() }
      return try await collect(RowCollector(maximumBytes: 0, parameters: nil)).affectedCount
    }
  }

  /// The server no longer takes data.
  private struct CopyRefused: Error {}

  private func sendCopyData(_ chunk: [UInt8]) async throws {
    if operation?.cancellation != .ignored { try Task.checkCancellation() }
    guard try live().putCopyData(chunk) else { throw CopyRefused() }
    operation?.deadline = statementDeadline
    try await flush()
    if operation?.isCancelled == true { throw CopyRefused() }
  }

  private func abandonCopyIn() async throws {
    guard !isBroken, libpq?.endCopy(failure: "the sender gave up") == true else { return }
    operation?.cancellation = .ignored
    do {
      _ = try await collect(RowCollector(maximumBytes: 0, parameters: nil))
    } catch let error as PostgresError where error.sqlState != nil {
      // The refusal that was asked for.
    }
  }

  /// Sends the statement and waits until the server is ready to copy.
  private func beginCopy(_ statement: Statement, _ direction: LibpqResult.Status, binary: Bool?) async throws
  {
    guard try live().send(statement, try BoundParameters([], maximumBytes: 0)) else { throw lost() }
    try await flush()
    guard let result = try await nextResult() else { throw lost() }
    let isBinary = result.isBinaryCopy
    guard result.status == direction else {
      // Whatever it is, it must be read to its end before the next statement.
      var collector = RowCollector(maximumBytes: configuration.maximumResultBytes, parameters: nil)
      _ = collector.add(result)
      _ = try await collect(collector)
      throw PostgresError(.usage, "the statement does not copy in the direction that was asked for")
    }
    guard let binary, binary != isBinary else { return }
    try await abandonCopyIn()
    throw PostgresError(
      .usage, "the statement copies \(isBinary ? "binary" : "text"), not what was asked for")
  }
}

// MARK: Out

extension PostgresConnection {
  /// Runs `COPY … TO STDOUT` and gives `body` its rows as they come; the server waits while `body` does.
  ///
  /// When `body` returns before the last row, the server is asked to stop.
  @discardableResult
  package func withCopyOut<Value: Sendable>(
    _ statement: Statement, _ body: @Sendable (PostgresCopyOut) async throws -> Value
  ) async throws -> Value {
    try await withOperation {
      try await beginCopy(statement, .copyOut, binary: nil)
      isCopyingOut = true
      do {
        let value = try await body(PostgresCopyOut(connection: self))
        try await stopCopyOut()
        return value
      } catch {
        try await stopCopyOut()
        throw error
      }
    }
  }

  /// The next rows as the server sent them, some at a time because each call changes threads; empty after the last.
  fileprivate func nextCopyRows() async throws -> [[UInt8]] {
    guard isCopyingOut else { return [] }
    operation?.deadline = statementDeadline
    var rows: [[UInt8]] = []
    var size = 0
    while size < CopyBuffer.capacity {
      switch try live().nextCopyData() {
      case .row(let bytes):
        size += bytes.count
        rows.append(bytes)
      case .wait:
        guard rows.isEmpty else { return rows }
        try await pause(reading: true, writing: false)
        guard try live().consumeInput() else { throw lost() }
      case .end, .failed:
        isCopyingOut = false
        _ = try await collect(RowCollector(maximumBytes: 0, parameters: nil))
        return rows
      }
    }
    return rows
  }

  private func stopCopyOut() async throws {
    guard isCopyingOut, !isBroken else { return }
    let wasCancelled = operation?.isCancelled == true
    if !wasCancelled { try await cancelStatement() }
    do {
      while try await !nextCopyRows().isEmpty {}
    } catch let error as PostgresError where error.kind == .timeout && error.sqlState != nil {
      // The cancellation that was asked for.
    }
    operation?.isCancelled = wasCancelled
  }
}

/// The rows of a `COPY … TO STDOUT`, each with its line end in text format.
package struct PostgresCopyOut: AsyncSequence, Sendable {
  let connection: PostgresConnection

  package func makeAsyncIterator() -> Iterator { Iterator(connection: connection) }

  package struct Iterator: AsyncIteratorProtocol {
    fileprivate let connection: PostgresConnection
    private var rows: ArraySlice<[UInt8]> = []

    fileprivate init(connection: PostgresConnection) { self.connection = connection }

    package mutating func next() async throws -> [UInt8]? {
      if rows.isEmpty { rows = try await connection.nextCopyRows()[...] }
      return rows.popFirst()
    }
  }
}
