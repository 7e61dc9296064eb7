// The binary form of one-dimensional arrays: `array_recv` and `array_send` in PostgreSQL's arrayfuncs.c.
// int32 dimensions, int32 "has NULL", oid of the element; per dimension int32 length and int32 lower bound; then each
// element as int32 length (-1 for NULL) and its bytes.

func encodeArray<Scalar: PostgresScalar>(
  _ elements: some Collection<Scalar?>, of type: Scalar.Type
) -> PostgresValue {
  var bytes: [UInt8] = []
  bytes.append(bigEndian: Int32(elements.isEmpty ? 0 : 1))
  bytes.append(bigEndian: Int32(elements.contains { $0 == nil } ? 1 : 0))
  bytes.append(bigEndian: Scalar.postgresType.oid)
  if !elements.isEmpty {
    bytes.append(bigEndian: Int32(truncatingIfNeeded: elements.count))
    bytes.append(bigEndian: Int32(1))
  }
  var holdsNUL = false
  for element in elements {
    guard let element else {
      bytes.append(bigEndian: Int32(-1))
      continue
    }
    bytes.append(lengthPrefixed: element.encode)
    if element.holdsNUL { holdsNUL = true }
  }
  var value = PostgresValue(type: Scalar.postgresArrayType, format: .binary, bytes: bytes)
  value.holdsNUL = holdsNUL
  return value
}

func decodeArray<Scalar: PostgresScalar>(_ cell: PostgresCell, of type: Scalar.Type) throws -> [Scalar?] {
  var reader = BigEndianReader(try cell.required())
  guard let dimensions: Int32 = reader.next(), let _: Int32 = reader.next(), let oid: UInt32 = reader.next()
  else {
    throw cell.mismatch(wanted: "an array")
  }
  if dimensions == 0 { return [] }
  guard dimensions == 1, let count: Int32 = reader.next(), let _: Int32 = reader.next(), count >= 0 else {
    throw cell.mismatch(wanted: "an array of one dimension")
  }
  var elements: [Scalar?] = []
  elements.reserveCapacity(min(Int(count), reader.remaining))
  for _ in 0..<count {
    guard let length: Int32 = reader.next() else { throw cell.mismatch(wanted: "a whole array") }
    if length < 0 {
      elements.append(nil)
    } else {
      guard let bytes = reader.take(Int(length)) else { throw cell.mismatch(wanted: "a whole array") }
      elements.append(try Scalar(cell: cell.element(type: PostgresType(oid: oid), bytes: bytes)))
    }
  }
  return elements
}

// MARK: Big-endian bytes

struct BigEndianReader {
  private var bytes: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  var remaining: Int { bytes.count }

  mutating func next<Integer: FixedWidthInteger>() -> Integer? {
    take(MemoryLayout<Integer>.size).map(Integer.init(bigEndianBytes:))
  }

  mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
    guard bytes.count >= count else { return nil }
    defer { bytes = bytes.dropFirst(count) }
    return bytes.prefix(count)
  }
}

extension FixedWidthInteger {
  init(bigEndianBytes bytes: ArraySlice<UInt8>) {
    self = bytes.reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
  }
}

extension [UInt8] {
  mutating func append<Integer: FixedWidthInteger>(bigEndian value: Integer) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }

  /// Appends what `write` appends behind its length as an int32.
  mutating func append(lengthPrefixed write: (inout [UInt8]) -> Void) {
    let start = count
    append(bigEndian: Int32(0))
    write(&self)
    let length = Int32(truncatingIfNeeded: count - start - 4)
    Swift.withUnsafeBytes(of: length.bigEndian) { source in
      for (offset, byte) in source.enumerated() { self[start + offset] = byte }
    }
  }
}
