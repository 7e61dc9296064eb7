// How the cells of the server's types are read as Swift's.

extension PostgresCell {
  func element(type: PostgresType, bytes: ArraySlice<UInt8>) -> PostgresCell {
    PostgresCell(column: column, type: type, bytes: bytes)
  }

  func mismatch(wanted: String) -> PostgresDecodingError {
    PostgresDecodingError(
      column: column, reason: "type \(type.oid) does not hold \(wanted); cast it in the statement")
  }

  func required() throws -> ArraySlice<UInt8> {
    guard let bytes else {
      throw PostgresDecodingError(column: column, reason: "it is NULL where a value was wanted")
    }
    return bytes
  }

  /// Any integer type, and a `numeric` without fraction (what `sum` of bigint returns).
  func integer() throws -> Int64 {
    let bytes = try required()
    switch (type, bytes.count) {
    case (.int8, 8): return Int64(bigEndianBytes: bytes)
    case (.int4, 4): return Int64(Int32(bigEndianBytes: bytes))
    case (.int2, 2): return Int64(Int16(bigEndianBytes: bytes))
    case (.oid, 4): return Int64(UInt32(bigEndianBytes: bytes))
    case (.numeric, _): return try wholeNumeric(bytes)
    default: throw mismatch(wanted: "an integer")
    }
  }

  /// `numeric_send`: int16 count of digits, weight, sign, scale; then int16 digits to the base 10,000, first one worth
  /// 10,000^weight.
  private func wholeNumeric(_ bytes: ArraySlice<UInt8>) throws -> Int64 {
    var reader = BigEndianReader(bytes)
    guard let count: Int16 = reader.next(), let weight: Int16 = reader.next(),
      let sign: UInt16 = reader.next(),
      let _: Int16 = reader.next(), sign == 0 || sign == 0x4000, (-1..<5).contains(weight),
      count <= weight + 1
    else { throw mismatch(wanted: "a whole number of 64 bits") }
    var value: Int128 = 0
    for place in 0..<Int(weight + 1) {
      var digit: Int16 = 0
      if place < count {
        guard let next: Int16 = reader.next() else { throw mismatch(wanted: "a whole numeric") }
        digit = next
      }
      value = value * 10_000 + Int128(digit)
    }
    guard let result = Int64(exactly: sign == 0 ? value : -value) else {
      throw mismatch(wanted: "a whole number of 64 bits")
    }
    return result
  }

  /// Text types, json and enums are their characters; `jsonb` has a version byte in front.
  func text() throws -> String {
    var bytes = try required()
    if type == .jsonb { bytes = bytes.dropFirst() }
    guard !PostgresCell.typesWithoutText.contains(type), let text = String(validating: bytes, as: UTF8.self)
    else {
      throw mismatch(wanted: "text")
    }
    return text
  }

  private static let typesWithoutText: Set<PostgresType> = [
    .bool, .bytea, .int2, .int4, .int8, .oid, .float4, .float8, .timestamptz, .numeric, .uuid,
  ]
}
