// Rows in the binary form of COPY (PostgreSQL's documentation of COPY, "Binary Format").

struct CopyBuffer {
  /// Large enough that a system call is rare, small enough that a slow server holds little of it up.
  static let capacity = 64 << 10
  private var bytes: [UInt8]

  init() {
    bytes = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00]
    // No flags, no header extension.
    bytes.append(bigEndian: Int32(0))
    bytes.append(bigEndian: Int32(0))
  }

  var isFull: Bool { bytes.count >= Self.capacity }

  mutating func append(_ row: [any PostgresEncodable]) throws {
    guard let count = Int16(exactly: row.count) else {
      throw PostgresError(.usage, "a row to copy has \(row.count) columns")
    }
    bytes.append(bigEndian: count)
    for field in row {
      let value = field.postgresValue
      guard !value.holdsNUL else {
        throw PostgresError(.usage, "a text to copy holds a NUL character, which text cannot hold")
      }
      guard let content = value.bytes else {
        bytes.append(bigEndian: Int32(-1))
        continue
      }
      bytes.append(bigEndian: Int32(clamping: content.count))
      bytes.append(contentsOf: content)
    }
  }

  mutating func take() -> [UInt8] {
    defer { bytes.removeAll(keepingCapacity: true) }
    return bytes
  }

  /// What is left, with the trailer.
  mutating func takeLast() -> [UInt8] {
    bytes.append(bigEndian: Int16(-1))
    return take()
  }
}
