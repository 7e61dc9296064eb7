// The last word on disk, so that a restart does not pass for one.
//
//     0  magic "STRLASTW" · 8 format u32 · 12 CRC-32C of what follows u32
//    16  boot 16 bytes · since boot i64 · wall clock i64 · age i64, all of one moment, in microseconds
//    56  what the word was about: lineage 16 bytes · version u64

/// A word and the configuration that was in step by it: of an older one it says nothing.
package struct StoredLastWord: Sendable, Equatable {
  package var word: LastWord.Stored
  /// 16 bytes.
  package var lineage: [UInt8]
  package var version: UInt64

  package init(word: LastWord.Stored, lineage: [UInt8], version: UInt64) {
    self.word = word
    self.lineage = lineage
    self.version = version
  }
}

package enum LastWordFile {
  private static let magic = Array("STRLASTW".utf8)
  private static let format: UInt32 = 1
  package static let bytes = 80

  package static func encode(_ stored: StoredLastWord) -> [UInt8] {
    let reading = stored.word.reading
    let body =
      reading.boot + littleEndian(reading.sinceBoot) + littleEndian(reading.wall)
      + littleEndian(stored.word.ageMicroseconds) + stored.lineage + littleEndian(stored.version)
    return magic + littleEndian(format) + littleEndian(checksum(body)) + body
  }

  /// - Returns: nil for anything else than what `encode` writes
  package static func decode(_ file: [UInt8]) -> StoredLastWord? {
    guard file.count == bytes, Array(file[..<8]) == magic, word(file, 8, as: UInt32.self) == format,
      word(file, 12, as: UInt32.self) == checksum(Array(file[16...]))
    else { return nil }
    let reading = ClockReading(
      boot: Array(file[16..<32]), sinceBoot: word(file, 32, as: Int64.self),
      wall: word(file, 40, as: Int64.self))
    return StoredLastWord(
      word: LastWord.Stored(reading: reading, ageMicroseconds: word(file, 48, as: Int64.self)),
      lineage: Array(file[56..<72]), version: word(file, 72, as: UInt64.self))
  }
}
