// What can go wrong between a statement and its rows, in words that never hold a value.

/// The five characters of an SQLSTATE (PostgreSQL's documentation, appendix A).
package struct SQLState: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
  package let code: String

  package init(_ code: String) { self.code = code }
  package init(stringLiteral code: String) { self.code = code }

  /// The first two characters.
  package var errorClass: Substring { code.prefix(2) }
  package var description: String { code }
}

/// A failure of the database layer.
///
/// Holds no parameter's value and no row's: the server's DETAIL is never read, and its message is kept only where it
/// names nothing but objects of the schema.
package struct PostgresError: Error, Sendable, CustomStringConvertible {
  package enum Kind: Sendable, Hashable {
    /// The URL or a setting cannot be used.
    case configuration
    /// No connection, or it was lost.
    case connection
    /// The server refused the statement.
    case statement
    case uniqueViolation
    case foreignKeyViolation
    case checkViolation
    case notNullViolation
    case exclusionViolation
    /// Another transaction stood in the way: the whole transaction may be tried again.
    case serialization
    /// A statement, a lock or a connection took longer than its limit.
    case timeout
    /// A parameter cannot be sent, or the connection was used in a way that it does not allow.
    case usage
    /// The pool had no connection to give within its limits, or is closed.
    case poolExhausted
    /// The result is larger than the limit.
    case resultTooLarge
    /// A migration cannot be applied.
    case migration
  }

  package let kind: Kind
  package let message: String
  package var sqlState: SQLState?
  /// The constraint that was violated, as the schema names it.
  package var constraint: String?
  package var table: String?
  package var column: String?
  /// The connection went away after COMMIT was sent: the transaction may or may not stand.
  package var isCommitOutcomeUnknown = false

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// Whether the same work may succeed when it is done again.
  package var retryHelps: Bool {
    switch kind {
    case .connection, .timeout, .serialization, .poolExhausted: !isCommitOutcomeUnknown
    default: false
    }
  }

  package var description: String {
    var text = message
    if let constraint { text += ", constraint \(constraint)" }
    if let table { text += ", table \(table)" }
    if let column { text += ", column \(column)" }
    if let sqlState { text += " (sqlstate \(sqlState))" }
    if isCommitOutcomeUnknown { text += "; the transaction may have been committed" }
    return text
  }
}
