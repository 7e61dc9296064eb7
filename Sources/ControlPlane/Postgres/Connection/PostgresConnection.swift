// One connection to the server: connecting, statements and their end. Copying and transactions are extensions.

import Dispatch
import Logging

/// One session with the server. It runs one statement at a time; a second one meanwhile is refused.
///
/// Comes from a `PostgresPool`, or from `connect` where a connection of its own is needed.
package actor PostgresConnection: PostgresSession {
  /// How long a cancelled statement may take to end before the connection is given up.
  static let cancellationGraceSeconds = 5
  /// How much later than the server's own statement timeout the layer stops waiting.
  static let statementGraceSeconds = 5

  private let executor: QueueExecutor
  nonisolated package var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  let configuration: PostgresConfiguration
  let logger: Logger
  /// Nil before connecting and after closing.
  var libpq: LibpqConnection?
  /// Set when the session's state is not known any more; it is then never used again.
  var isBroken = false
  /// The statement under way.
  var operation: Operation?
  /// The server's limit for a statement of this session, which a transaction may change for its time.
  var statementTimeoutSeconds: Int
  /// Whether rows of a COPY to us are still to come.
  var isCopyingOut = false
  /// The transaction whose statements are accepted; each has a number of its own.
  var currentTransaction: UInt64?
  var transactionsBegun: UInt64 = 0

  /// What a statement under way is waited for with.
  struct Operation {
    enum Cancellation {
      /// For what must come to its end, such as ROLLBACK.
      case ignored
      /// The server is asked to give the statement up, and its answer is waited for.
      case stopsStatement
      /// There is no statement: the wait ends.
      case stopsWaiting
    }

    var deadline: DispatchTime
    var cancellation: Cancellation
    var isCancelled = false
  }

  private init(_ configuration: PostgresConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    statementTimeoutSeconds = configuration.statementTimeoutSeconds
    executor = QueueExecutor(label: "strait.postgres.connection")
  }

  /// - Throws: `PostgresError` of kind `connection`, or `CancellationError`
  package static func connect(
    _ configuration: PostgresConfiguration, logger: Logger
  ) async throws -> PostgresConnection {
    let connection = PostgresConnection(configuration, logger: logger)
    try await connection.open()
    return connection
  }

  @discardableResult
  package func query(_ statement: Statement, parameters: [any PostgresEncodable]) async throws -> PostgresRows
  {
    try await run(statement, parameters).rows()
  }

  /// Runs statements without parameters, several separated by semicolons, in one implicit transaction unless they
  /// hold transaction commands themselves.
  package func runScript(_ script: Statement) async throws {
    try await withOperation {
      guard try live().sendScript(script) else { throw lost() }
      _ = try await collect(RowCollector(maximumBytes: configuration.maximumResultBytes, parameters: nil))
    }
  }

  package func close() {
    isBroken = true
    // With a statement under way the task that waits for it still needs the socket; its end frees it.
    if operation == nil { libpq = nil }
  }

  // MARK: For the pool

  /// Whether the next statement has a chance, as far as this side can know without asking the server.
  func isAlive() -> Bool {
    guard let libpq, !isBroken, operation == nil else { return false }
    // What comes unasked is a notice or the server's farewell. The end of the stream is seen by the second read.
    for _ in 0..<2 where libpq.isUsable {
      guard libpq.consumeInput() else { return false }
    }
    return libpq.isUsable
  }

  /// Whether another user may have this connection.
  func isReusable() -> Bool {
    guard let libpq, !isBroken, operation == nil, libpq.isUsable else { return false }
    return libpq.transactionState == .idle
  }

  // MARK: Statements

  func run(
    _ statement: Statement, _ parameters: [any PostgresEncodable] = [],
    cancellation: Operation.Cancellation = .stopsStatement
  ) async throws -> RowCollector {
    let bound = try BoundParameters(parameters, maximumBytes: configuration.maximumParameterBytes)
    return try await withOperation(cancellation: cancellation) {
      guard try live().send(statement, bound) else { throw lost() }
      return try await collect(
        RowCollector(maximumBytes: configuration.maximumResultBytes, parameters: bound))
    }
  }

  /// Guards that one statement runs at a time, and settles what its end means for the session.
  func withOperation<Value>(
    cancellation: Operation.Cancellation = .stopsStatement, _ body: () async throws -> Value
  ) async throws -> Value {
    guard operation == nil else {
      throw PostgresError(
        .usage, "the connection is busy with another statement; take one connection for each")
    }
    _ = try live()
    if cancellation != .ignored { try Task.checkCancellation() }
    operation = Operation(deadline: statementDeadline, cancellation: cancellation)
    defer {
      operation = nil
      if isBroken { libpq = nil }
    }
    do {
      return try await body()
    } catch let error as PostgresError {
      if error.kind == .connection { isBroken = true }
      // 57014 is also what a statement timeout says; this one was asked for.
      if operation?.isCancelled == true, error.kind == .timeout || error.kind == .connection {
        throw CancellationError()
      }
      throw error
    }
  }

  /// Flushes what was sent and gathers all results up to the end of the statement.
  func collect(_ collector: consuming RowCollector) async throws -> RowCollector {
    var collector = collector
    try await flush()
    while let result = try await nextResult() {
      if !collector.add(result) { try await cancelStatement() }
      if libpq?.hasFailed == true { break }
    }
    if let failure = collector.failure { throw failure }
    return collector
  }

  func nextResult() async throws -> LibpqResult? {
    while try live().isAwaitingResult {
      try await pause(reading: true, writing: false)
      guard try live().consumeInput() else { throw lost() }
    }
    return try live().nextResult()
  }

  func flush() async throws {
    while true {
      switch try live().flush() {
      case true?: return
      case false?:
        // The server may be waiting for us to read before it reads on.
        try await pause(reading: true, writing: true)
        guard try live().consumeInput() else { throw lost() }
      case nil: throw lost()
      }
    }
  }

  // MARK: Waiting

  var statementDeadline: DispatchTime {
    .now() + .seconds(statementTimeoutSeconds + Self.statementGraceSeconds)
  }

  /// Waits for the socket. A cancelled task asks the server to give the statement up and waits on, since only the
  /// server knows whether it did.
  func pause(reading: Bool, writing: Bool) async throws {
    guard let current = operation else { preconditionFailure("waiting without an operation") }
    let readiness = await SocketWait.wait(
      for: try live().socket, reading: reading, writing: writing, until: current.deadline,
      watchesCancellation: current.cancellation != .ignored, on: executor.queue)
    switch readiness {
    case .ready: return
    case .cancelled:
      guard current.cancellation == .stopsStatement else { throw CancellationError() }
      try await cancelStatement()
    case .timedOut:
      isBroken = true
      throw PostgresError(.timeout, "the database did not answer in time")
    }
  }

  /// The request may reach the server after the statement has ended, so the connection waits until it is known to have
  /// been passed on, or is given up: it must not hit the next statement.
  func cancelStatement() async throws {
    operation?.cancellation = .ignored
    operation?.isCancelled = true
    operation?.deadline = .now() + .seconds(Self.cancellationGraceSeconds)
    let cancellation = try live().makeCancellation()
    guard let cancellation, await cancellation.send(within: Self.cancellationGraceSeconds) else {
      isBroken = true
      throw CancellationError()
    }
  }

  func live() throws -> LibpqConnection {
    guard let libpq, !isBroken else {
      throw PostgresError(.connection, "the connection to the database is closed")
    }
    return libpq
  }

  func lost() -> PostgresError {
    isBroken = true
    return PostgresError(.connection, "the connection to the database was lost")
  }

  // MARK: Connecting

  /// libpq goes on to the next host when one refuses, but in its non-blocking form not when one stays silent. Then the
  /// next round begins with the next host.
  private func open() async throws {
    let hosts = configuration.hostCount
    let seconds = max(1, configuration.connectTimeoutSeconds / hosts)
    for host in 0..<hosts {
      do {
        return try await open(firstHost: host, until: .now() + .seconds(seconds))
      } catch let error as PostgresError where error.kind == .timeout && host + 1 < hosts {
        logger.debug("a database host is silent", metadata: ["host": "\(host)"])
      }
    }
  }

  private func open(firstHost: Int, until deadline: DispatchTime) async throws {
    operation = Operation(deadline: deadline, cancellation: .stopsWaiting)
    isBroken = false
    defer { operation = nil }
    let connecting = try LibpqConnection(settings: configuration.completeSettings(firstHost: firstHost))
    libpq = connecting
    do {
      try await finishConnecting(connecting)
      guard connecting.becomeNonBlocking(), connecting.sendScript(configuration.sessionSetup) else {
        throw lost()
      }
      _ = try await collect(RowCollector(maximumBytes: configuration.maximumResultBytes, parameters: nil))
    } catch {
      isBroken = true
      libpq = nil
      throw error
    }
  }

  private func finishConnecting(_ connecting: LibpqConnection) async throws {
    var progress = LibpqConnection.Progress.wantsWrite
    while progress != .connected {
      guard progress != .failed, !connecting.hasFailed else {
        throw PostgresError(.connection, "cannot connect to the database: \(connecting.firstErrorLine)")
      }
      try await pause(reading: progress == .wantsRead, writing: progress == .wantsWrite)
      progress = connecting.advanceConnecting()
    }
  }
}
