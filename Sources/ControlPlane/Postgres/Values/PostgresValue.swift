// A parameter in the form in which it is sent: type, format and bytes.

/// The object identifiers of the built-in types that the layer knows, from PostgreSQL's `pg_type.dat`.
package struct PostgresType: Sendable, Hashable, BitwiseCopyable {
  package let oid: UInt32

  package init(oid: UInt32) { self.oid = oid }

  /// The server infers the type from the place where the parameter stands.
  package static let inferred = PostgresType(oid: 0)
  package static let bool = PostgresType(oid: 16)
  package static let bytea = PostgresType(oid: 17)
  package static let name = PostgresType(oid: 19)
  package static let int8 = PostgresType(oid: 20)
  package static let int2 = PostgresType(oid: 21)
  package static let int4 = PostgresType(oid: 23)
  package static let text = PostgresType(oid: 25)
  package static let oid = PostgresType(oid: 26)
  package static let float4 = PostgresType(oid: 700)
  package static let float8 = PostgresType(oid: 701)
  package static let timestamptz = PostgresType(oid: 1184)
  package static let numeric = PostgresType(oid: 1700)
  package static let uuid = PostgresType(oid: 2950)
  package static let jsonb = PostgresType(oid: 3802)
  package static let boolArray = PostgresType(oid: 1000)
  package static let byteaArray = PostgresType(oid: 1001)
  package static let int4Array = PostgresType(oid: 1007)
  package static let textArray = PostgresType(oid: 1009)
  package static let int8Array = PostgresType(oid: 1016)
  package static let float8Array = PostgresType(oid: 1022)
  package static let timestamptzArray = PostgresType(oid: 1185)
  package static let uuidArray = PostgresType(oid: 2951)
}

/// One bound parameter. It does not print what it holds.
package struct PostgresValue: Sendable, CustomStringConvertible {
  package enum Format: Int32, Sendable {
    case text = 0
    case binary = 1
  }

  package var type: PostgresType
  package var format: Format
  /// Nil is SQL's NULL.
  package var bytes: [UInt8]?
  /// Set where text holds a NUL, which PostgreSQL cannot store; the statement is then refused before it is sent.
  package var holdsNUL = false

  package init(type: PostgresType, format: Format, bytes: [UInt8]?) {
    self.type = type
    self.format = format
    self.bytes = bytes
  }

  package var description: String { "parameter of type \(type.oid)" }
}

/// What can be bound as a parameter.
package protocol PostgresEncodable: Sendable {
  var postgresValue: PostgresValue { get }
}

/// What can be read from a cell of a result.
package protocol PostgresDecodable: Sendable {
  /// - Throws: `PostgresDecodingError` when the cell is NULL, of another type, or out of range
  init(cell: PostgresCell) throws
}

/// A moment in microseconds since 1970, UTC: `timestamptz` in the database.
package struct PostgresTimestamp: Sendable, Hashable, Comparable, BitwiseCopyable {
  package var microseconds: Int64

  package init(microseconds: Int64) { self.microseconds = microseconds }

  package static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }
}

/// What is stored as `uuid`: 16 bytes as two big-endian words.
///
/// An identifier type joins with one line: `extension Identifier: PostgresUUIDConvertible {}`.
package protocol PostgresUUIDConvertible: PostgresScalar {
  var high: UInt64 { get }
  var low: UInt64 { get }
  init(high: UInt64, low: UInt64)
}

/// A plain `uuid`, where no typed identifier is at hand.
package struct PostgresUUID: Sendable, Hashable, BitwiseCopyable, PostgresUUIDConvertible {
  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }
}
