// How the project's values stand in columns.

import Postgres
import StraitProtocol

extension Identifier: PostgresEncodable, PostgresDecodable, PostgresArrayElement, PostgresScalar,
  PostgresUUIDConvertible
{}

extension Moment {
  package var stored: PostgresTimestamp { PostgresTimestamp(microseconds: microseconds) }
}

extension PostgresRow {
  func moment(_ column: String) throws -> Moment {
    Moment(microseconds: try get(column, as: PostgresTimestamp.self).microseconds)
  }

  func optionalMoment(_ column: String) throws -> Moment? {
    try get(column, as: PostgresTimestamp?.self).map { Moment(microseconds: $0.microseconds) }
  }

  /// A moment that must be there, as text.
  func time(_ column: String) throws -> String {
    Moment(microseconds: try get(column, as: PostgresTimestamp.self).microseconds).rfc3339
  }

  /// A moment that may be NULL, as text.
  func optionalTime(_ column: String) throws -> String? {
    try get(column, as: PostgresTimestamp?.self).map { Moment(microseconds: $0.microseconds).rfc3339 }
  }

  /// A count that the schema keeps from being negative.
  func unsigned(_ column: String) throws -> UInt64 {
    UInt64(max(0, try get(column, as: Int64.self)))
  }
}
