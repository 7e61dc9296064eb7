// From the server's error fields to a `PostgresError` without values.

extension PostgresError {
  /// - Parameter parameters: what was bound, so that no part of it is quoted
  init(result: borrowing LibpqResult, parameters: BoundParameters?) {
    guard let code = result.sqlState else {
      // libpq's own message, not the server's: the connection went away.
      self.init(.connection, "the connection to the database was lost during a statement")
      return
    }
    let state = SQLState(code)
    self.init(Kind(state), Self.safeMessage(result.primaryMessage, state, parameters))
    sqlState = state
    constraint = result.constraintName
    table = result.tableName
    column = result.columnName
  }

  /// Classes whose primary messages name settings and objects of the schema only. Data exceptions (class 22) and
  /// `RAISE` (P0001) quote values.
  private static let quotableClasses: Set<Substring> = [
    "08", "0A", "23", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58",
  ]

  private static func safeMessage(_ message: String?, _ state: SQLState, _ parameters: BoundParameters?)
    -> String
  {
    // A cast such as `$1::regclass` makes a value the name of an object, so even these are searched.
    if let message, quotableClasses.contains(state.errorClass), parameters?.mayAppear(in: message) != true {
      return "the database refused the statement: \(message)"
    }
    let reason =
      switch state {
      case "22001": "a text is too long for its column"
      case "22003": "a number is out of its type's range"
      case "22012": "division by zero"
      case "22021": "a text is not valid in the database's encoding"
      case "22P02": "a value does not have the form of its type"
      case "22P03": "a parameter's type is not the column's; cast it in the statement"
      default: "its words are withheld because they may quote values"
      }
    return "the database refused the statement: \(reason)"
  }
}

extension PostgresError.Kind {
  fileprivate init(_ state: SQLState) {
    switch state {
    case "23502": self = .notNullViolation
    case "23503": self = .foreignKeyViolation
    case "23505": self = .uniqueViolation
    case "23514": self = .checkViolation
    case "23P01": self = .exclusionViolation
    case "40001", "40P01": self = .serialization
    case "55P03", "57014": self = .timeout
    // 25006: this server has become a standby; another host of the URL may be the primary now.
    case "25006", "25P03", "53300", "57P01", "57P02", "57P03", "57P05": self = .connection
    default: self = state.errorClass == "08" ? .connection : .statement
    }
  }
}
