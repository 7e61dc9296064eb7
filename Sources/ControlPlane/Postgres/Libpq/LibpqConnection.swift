// Owns a `PGconn`. Every call returns at once: the socket is in non-blocking mode, and waiting is done by the caller.

import CLibpq

/// One libpq connection, freed with the object. Not Sendable: it lives inside one `PostgresConnection`.
final class LibpqConnection {
  enum Progress {
    case wantsRead
    case wantsWrite
    case connected
    case failed
  }

  enum TransactionState {
    case idle
    case open
    case failed
    case unknown
  }

  private let connection: OpaquePointer

  /// Begins to connect. Looks names up with the system's resolver, which blocks the calling thread.
  init(settings: [ConnectionSetting]) throws {
    let keywords = CStringArray(settings.map(\.keyword))
    let values = CStringArray(settings.map(\.value))
    guard let started = PQconnectStartParams(keywords.pointers, values.pointers, 0) else {
      throw PostgresError(.connection, "no memory for a connection")
    }
    connection = started
    // libpq would print notices on standard error, and they may quote values.
    PQsetNoticeReceiver(connection, { _, _ in }, nil)
  }

  deinit { PQfinish(connection) }

  var socket: Int32 { PQsocket(connection) }
  var isUsable: Bool { PQstatus(connection) == CONNECTION_OK }
  var hasFailed: Bool { PQstatus(connection) == CONNECTION_BAD }

  /// One step of connecting. The socket may be another one afterwards.
  func advanceConnecting() -> Progress {
    switch PQconnectPoll(connection) {
    case PGRES_POLLING_READING: .wantsRead
    case PGRES_POLLING_WRITING: .wantsWrite
    case PGRES_POLLING_OK: .connected
    default: .failed
    }
  }

  func becomeNonBlocking() -> Bool { PQsetnonblocking(connection, 1) == 0 }

  /// The first line of libpq's last message. While connecting it names hosts, ports, users and databases.
  var firstErrorLine: String {
    let text = String(cString: PQerrorMessage(connection))
    return text.split(separator: "\n").first.map(String.init) ?? "no reason given"
  }

  var transactionState: TransactionState {
    switch PQtransactionStatus(connection) {
    case PQTRANS_IDLE: .idle
    case PQTRANS_INTRANS, PQTRANS_ACTIVE: .open
    case PQTRANS_INERROR: .failed
    default: .unknown
    }
  }

  // MARK: Statements

  /// Queues one statement with its parameters, results in binary format and row by row.
  func send(_ statement: Statement, _ parameters: BoundParameters) -> Bool {
    let sent = parameters.withPointers { values, lengths, formats in
      PQsendQueryParams(
        connection, statement.text, Int32(parameters.count), parameters.types, values, lengths, formats,
        PostgresValue.Format.binary.rawValue)
    }
    // A result that is copied row by row never stands in memory twice, and can be refused before it is whole.
    return sent == 1 && PQsetSingleRowMode(connection) == 1
  }

  /// Queues statements without parameters, several separated by semicolons.
  func sendScript(_ statement: Statement) -> Bool { PQsendQuery(connection, statement.text) == 1 }

  /// - Returns: true when all is sent, false when the socket takes no more for now, nil when the connection failed
  func flush() -> Bool? {
    switch PQflush(connection) {
    case 0: true
    case 1: false
    default: nil
    }
  }

  /// Reads what the socket has. False when the connection failed.
  func consumeInput() -> Bool { PQconsumeInput(connection) == 1 }

  /// Whether `nextResult` would have to wait.
  var isAwaitingResult: Bool { PQisBusy(connection) == 1 }

  func nextResult() -> LibpqResult? { PQgetResult(connection).map(LibpqResult.init) }

  func makeCancellation() -> LibpqCancellation? { PQgetCancel(connection).map(LibpqCancellation.init) }

  // MARK: Notifications

  func nextNotification() -> (channel: String, payload: String)? {
    guard let notification = PQnotifies(connection) else { return nil }
    defer { PQfreemem(notification) }
    return (String(cString: notification.pointee.relname), String(cString: notification.pointee.extra))
  }

  // MARK: Copying

  func putCopyData(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { buffer in
      PQputCopyData(
        connection, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(buffer.count)) == 1
    }
  }

  /// - Parameter failure: tells the server to refuse what was copied so far
  func endCopy(failure: String?) -> Bool { PQputCopyEnd(connection, failure) == 1 }

  enum CopyData {
    case row([UInt8])
    case wait
    case end
    case failed
  }

  func nextCopyData() -> CopyData {
    var buffer: UnsafeMutablePointer<CChar>?
    let length = PQgetCopyData(connection, &buffer, 1)
    guard length > 0, let buffer else { return length == 0 ? .wait : length == -1 ? .end : .failed }
    defer { PQfreemem(buffer) }
    return .row(Array(UnsafeRawBufferPointer(start: buffer, count: Int(length))))
  }
}

/// A NULL-terminated array of C strings for the time of a call.
private final class CStringArray {
  private let copies: [UnsafeMutablePointer<CChar>]
  var pointers: [UnsafePointer<CChar>?] { copies.map { UnsafePointer($0) } + [nil] }

  init(_ strings: [String]) {
    copies = strings.map { string in
      let bytes = string.utf8CString
      let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
      _ = UnsafeMutableBufferPointer(start: copy, count: bytes.count).initialize(from: bytes)
      return copy
    }
  }

  deinit { copies.forEach { $0.deallocate() } }
}
