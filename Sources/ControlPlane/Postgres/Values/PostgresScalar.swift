// Types that stand in one column, and arrays of them for `unnest`. All travel in PostgreSQL's binary format (the
// `*send` and `*recv` functions of its sources), except a lone text, whose type the server infers.

/// A type with one column type in the database and an array type beside it.
package protocol PostgresScalar: PostgresEncodable, PostgresDecodable, PostgresArrayElement {
  static var postgresType: PostgresType { get }
  static var postgresArrayType: PostgresType { get }
  /// Appends the binary form, without a length.
  func encode(into bytes: inout [UInt8])
  var holdsNUL: Bool { get }
}

extension PostgresScalar {
  package var holdsNUL: Bool { false }

  package var postgresValue: PostgresValue {
    var bytes: [UInt8] = []
    encode(into: &bytes)
    return PostgresValue(type: Self.postgresType, format: .binary, bytes: bytes)
  }

  package static func postgresArray(_ elements: [Self]) -> PostgresValue {
    encodeArray(elements.lazy.map(Optional.some), of: Self.self)
  }

  package static func elements(of cell: PostgresCell) throws -> [Self] {
    try decodeArray(cell, of: Self.self).map { element in
      guard let element else { throw cell.mismatch(wanted: "an array without NULL") }
      return element
    }
  }
}

/// What `[Element]` needs to travel as one parameter or one cell.
package protocol PostgresArrayElement: Sendable {
  static func postgresArray(_ elements: [Self]) -> PostgresValue
  static func elements(of cell: PostgresCell) throws -> [Self]
}

extension Array: PostgresEncodable where Element: PostgresArrayElement {
  package var postgresValue: PostgresValue { Element.postgresArray(self) }
}

extension Array: PostgresDecodable where Element: PostgresArrayElement {
  package init(cell: PostgresCell) throws { self = try Element.elements(of: cell) }
}

// MARK: NULL

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
  package var postgresValue: PostgresValue {
    // A typed NULL would need the type of a value that is not there; the server knows the column's.
    self?.postgresValue ?? PostgresValue(type: .inferred, format: .text, bytes: nil)
  }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
  package init(cell: PostgresCell) throws {
    self = cell.bytes == nil ? nil : try Wrapped(cell: cell)
  }
}

extension Optional: PostgresArrayElement where Wrapped: PostgresScalar {
  package static func postgresArray(_ elements: [Self]) -> PostgresValue {
    encodeArray(elements, of: Wrapped.self)
  }

  package static func elements(of cell: PostgresCell) throws -> [Self] {
    try decodeArray(cell, of: Wrapped.self)
  }
}

// MARK: Numbers and truth

extension Int64: PostgresScalar {
  package static var postgresType: PostgresType { .int8 }
  package static var postgresArrayType: PostgresType { .int8Array }
  package func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: self) }
  package init(cell: PostgresCell) throws { self = try cell.integer() }
}

extension Int: PostgresScalar {
  package static var postgresType: PostgresType { .int8 }
  package static var postgresArrayType: PostgresType { .int8Array }
  package func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: Int64(self)) }
  package init(cell: PostgresCell) throws { self = Int(try cell.integer()) }
}

extension Int32: PostgresScalar {
  package static var postgresType: PostgresType { .int4 }
  package static var postgresArrayType: PostgresType { .int4Array }
  package func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: self) }
  package init(cell: PostgresCell) throws {
    guard let value = Int32(exactly: try cell.integer()) else {
      throw cell.mismatch(wanted: "a 32-bit integer")
    }
    self = value
  }
}

extension Double: PostgresScalar {
  package static var postgresType: PostgresType { .float8 }
  package static var postgresArrayType: PostgresType { .float8Array }
  package func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: bitPattern) }
  package init(cell: PostgresCell) throws {
    let bytes = try cell.required()
    switch cell.type {
    case .float8 where bytes.count == 8: self = Double(bitPattern: UInt64(bigEndianBytes: bytes))
    case .float4 where bytes.count == 4: self = Double(Float(bitPattern: UInt32(bigEndianBytes: bytes)))
    default: throw cell.mismatch(wanted: "a floating-point number")
    }
  }
}

extension Bool: PostgresScalar {
  package static var postgresType: PostgresType { .bool }
  package static var postgresArrayType: PostgresType { .boolArray }
  package func encode(into bytes: inout [UInt8]) { bytes.append(self ? 1 : 0) }
  package init(cell: PostgresCell) throws {
    let bytes = try cell.required()
    guard cell.type == .bool, let byte = bytes.first else { throw cell.mismatch(wanted: "a boolean") }
    self = byte != 0
  }
}

// MARK: Text and bytes

extension String: PostgresScalar {
  package static var postgresType: PostgresType { .text }
  package static var postgresArrayType: PostgresType { .textArray }
  package func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: utf8) }
  package var holdsNUL: Bool { utf8.contains(0) }

  /// Sent in text format with the type left open, so that a string also serves for `jsonb`, enums, `inet`, `interval`
  /// and `numeric`. Where the server has nothing to infer from, the statement says `$1::text`.
  package var postgresValue: PostgresValue {
    var value = PostgresValue(type: .inferred, format: .text, bytes: Array(utf8))
    value.holdsNUL = holdsNUL
    return value
  }

  package init(cell: PostgresCell) throws { self = try cell.text() }
}

extension UInt8: PostgresArrayElement {
  /// An array of bytes is not an array in the database but a `bytea`.
  package static func postgresArray(_ elements: [UInt8]) -> PostgresValue {
    PostgresValue(type: .bytea, format: .binary, bytes: elements)
  }

  package static func elements(of cell: PostgresCell) throws -> [UInt8] {
    let bytes = try cell.required()
    guard cell.type == .bytea else { throw cell.mismatch(wanted: "bytea") }
    return Array(bytes)
  }
}

extension Array: PostgresArrayElement where Element == UInt8 {}

extension Array: PostgresScalar where Element == UInt8 {
  package static var postgresType: PostgresType { .bytea }
  package static var postgresArrayType: PostgresType { .byteaArray }
  package func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: self) }
}

// MARK: Moments and identifiers

extension PostgresTimestamp: PostgresScalar {
  /// From 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
  private static var epochMicroseconds: Int64 { 946_684_800_000_000 }
  package static var postgresType: PostgresType { .timestamptz }
  package static var postgresArrayType: PostgresType { .timestamptzArray }

  package func encode(into bytes: inout [UInt8]) {
    // A moment too early for the database saturates at its `-infinity`.
    let (value, overflow) = microseconds.subtractingReportingOverflow(Self.epochMicroseconds)
    bytes.append(bigEndian: overflow ? Int64.min : value)
  }

  package init(cell: PostgresCell) throws {
    let bytes = try cell.required()
    guard cell.type == .timestamptz, bytes.count == 8 else { throw cell.mismatch(wanted: "timestamptz") }
    let value = Int64(bitPattern: UInt64(bigEndianBytes: bytes))
    let (moment, overflow) = value.addingReportingOverflow(Self.epochMicroseconds)
    guard !overflow, value != .min else { throw cell.mismatch(wanted: "a finite timestamptz") }
    self.init(microseconds: moment)
  }
}

extension PostgresUUIDConvertible {
  package static var postgresType: PostgresType { .uuid }
  package static var postgresArrayType: PostgresType { .uuidArray }

  package func encode(into bytes: inout [UInt8]) {
    bytes.append(bigEndian: high)
    bytes.append(bigEndian: low)
  }

  package init(cell: PostgresCell) throws {
    let bytes = try cell.required()
    guard cell.type == .uuid, bytes.count == 16 else { throw cell.mismatch(wanted: "uuid") }
    self.init(high: UInt64(bigEndianBytes: bytes.prefix(8)), low: UInt64(bigEndianBytes: bytes.suffix(8)))
  }
}
