// Parameters laid out as libpq takes them.

/// All parameters of one statement in one buffer. It does not print what it holds.
struct BoundParameters: Sendable, CustomStringConvertible {
  /// The protocol counts parameters in 16 bits.
  static let maximumCount = 65_535

  private(set) var types: [UInt32] = []
  private var offsets: [Int] = []
  private var lengths: [Int32] = []
  private var formats: [Int32] = []
  private var bytes: [UInt8] = []

  var count: Int { types.count }
  var description: String { "\(count) parameters" }

  init(_ parameters: [any PostgresEncodable], maximumBytes: Int) throws {
    guard parameters.count <= Self.maximumCount else {
      throw PostgresError(.usage, "a statement takes at most \(Self.maximumCount) parameters")
    }
    for (index, parameter) in parameters.enumerated() {
      let value = parameter.postgresValue
      guard !value.holdsNUL else {
        throw PostgresError(.usage, "parameter $\(index + 1) holds a NUL character, which text cannot hold")
      }
      append(value)
      guard bytes.count <= maximumBytes else {
        throw PostgresError(.usage, "the parameters of a statement hold more than \(maximumBytes) bytes")
      }
    }
  }

  private mutating func append(_ value: PostgresValue) {
    types.append(value.type.oid)
    formats.append(value.format.rawValue)
    offsets.append(value.bytes == nil ? -1 : bytes.count)
    lengths.append(Int32(clamping: value.bytes?.count ?? 0))
    guard let content = value.bytes else { return }
    bytes.append(contentsOf: content)
    // In text format libpq reads up to a NUL and ignores the length.
    bytes.append(0)
  }

  func withPointers<Value>(
    _ body: (_ values: [UnsafePointer<CChar>?], _ lengths: [Int32], _ formats: [Int32]) -> Value
  ) -> Value {
    bytes.withUnsafeBytes { buffer in
      let base = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
      let values = offsets.map { offset -> UnsafePointer<CChar>? in
        guard offset >= 0, let base else { return nil }
        return base + offset
      }
      return body(values, lengths, formats)
    }
  }

  /// Whether a text among the parameters appears in `message`, or might in a form that cannot be looked for.
  func mayAppear(in message: String) -> Bool {
    offsets.indices.contains { index in
      guard offsets[index] >= 0 else { return false }
      guard formats[index] == PostgresValue.Format.text.rawValue else {
        return types[index] == PostgresType.textArray.oid
      }
      let text = String(decoding: bytes[offsets[index]..<offsets[index] + Int(lengths[index])], as: UTF8.self)
      return !text.isEmpty && message.contains(text)
    }
  }
}
