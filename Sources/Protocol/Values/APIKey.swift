// The form of a client's key: sk-strait-<public id>-<secret><checksum>, so that scanners and typing errors are caught
// without a look-up. Digests are made by each plane with its own cryptography library.

package enum APIKey {
  /// `sk-strait-` + 12 + `-` + 43 + 6 characters.
  package static let length = 10 + publicIDLength + 1 + secretLength + checksumLength
  package static let prefix: StaticString = "sk-strait-"
  package static let publicIDLength = 12
  /// 43 base-62 digits hold 256 bits.
  package static let secretLength = 43
  package static let checksumLength = 6

  /// Makes a new key.
  /// - Returns: the whole key, to be shown once, and its public id, which may be stored and shown.
  package static func generate(using generator: inout some RandomNumberGenerator) -> (
    key: String, publicID: String
  ) {
    let publicID = (0..<publicIDLength).map { _ in digit(Int.random(in: 0..<62, using: &generator)) }
    let secret = (0..<secretLength).map { _ in digit(Int.random(in: 0..<62, using: &generator)) }
    var text = Array(prefix.description.utf8) + publicID
    text.append(UInt8(ascii: "-"))
    text += secret
    text += text.withUnsafeBytes { checksum(of: $0) }
    return (String(decoding: text, as: UTF8.self), String(decoding: publicID, as: UTF8.self))
  }

  /// Whether the bytes have a key's form and a right checksum. Says nothing about whether the key exists.
  package static func isWellFormed(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count == length, prefix.utf8CodeUnitCount == 10 else { return false }
    for index in 0..<10 where bytes[index] != prefix.utf8Start[index] { return false }
    guard bytes[10 + publicIDLength] == UInt8(ascii: "-") else { return false }
    let body = UnsafeRawBufferPointer(rebasing: bytes[..<(length - checksumLength)])
    var value = crc32(body)
    // The checksum's digits, last first.
    for index in stride(from: length - 1, through: length - checksumLength, by: -1) {
      if bytes[index] != digit(Int(value % 62)) { return false }
      value /= 62
    }
    return true
  }

  private static func checksum(of bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var value = crc32(bytes)
    var text = [UInt8](repeating: 0, count: checksumLength)
    for index in stride(from: checksumLength - 1, through: 0, by: -1) {
      text[index] = digit(Int(value % 62))
      value /= 62
    }
    return text
  }

  private static func digit(_ value: Int) -> UInt8 {
    switch value {
    case 0..<10: UInt8(ascii: "0") + UInt8(value)
    case 10..<36: UInt8(ascii: "A") + UInt8(value - 10)
    default: UInt8(ascii: "a") + UInt8(value - 36)
    }
  }

  /// CRC-32 (ISO-HDLC, as in zlib), a nibble at a time: 71 bytes need no larger table.
  private static func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      crc = nibble(crc & 15) ^ crc >> 4
      crc = nibble(crc & 15) ^ crc >> 4
    }
    return ~crc
  }

  @inline(__always)
  private static func nibble(_ index: UInt32) -> UInt32 {
    var value = index
    for _ in 0..<4 { value = value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
    return value
  }
}
