import CChecksum
import EdgeUplink
import StraitProtocol
import Testing

@Suite("The spool after a restart")
struct SpoolRecoveryTests {
  @Test("gives back every field of every record")
  func roundTrip() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let folder = try ScratchFolder()
    let records = (0..<500).map { _ in UsageRecord.random(&generator) }
    let first = try UsageSpool(directory: folder.path, logger: quiet, upkeepThread: false)
    for record in records { first.append(record) }
    let written = first.drain()
    first.close()

    let second = try UsageSpool(directory: folder.path, logger: quiet, upkeepThread: false)
    defer { second.close() }
    let found = second.drain()
    #expect(found.map(\.record) == records, "seed \(seed)")
    #expect(found == written, "seed \(seed)")
    #expect(found.map(\.sequence) == Array(1...500))
    #expect(second.epoch > first.epoch)
    #expect(second.depth == 500)
    #expect(second.recovery.records == 500)
    #expect(second.recovery.tornEntries + second.recovery.damagedEntries == 0)
  }

  @Test("cuts a last entry torn at any byte, and counts it")
  func tornTail() throws {
    let whole = try segment(records: 3)
    let end = SpoolFormat.headerBytes + 3 * SpoolFormat.slotBytes
    for kept in 1..<SpoolFormat.slotBytes {
      // What follows was never written, as in a mapping: zeros.
      var bytes = whole
      for index in (end - SpoolFormat.slotBytes + kept)..<end { bytes[index] = 0 }
      // An entry whose last bytes are zero anyway is not torn by losing them.
      if bytes == whole { continue }
      let (recovery, records) = try recover(bytes)
      #expect(records == [.numbered(1), .numbered(2)], "torn after \(kept) bytes")
      #expect(recovery.tornEntries == 1, "torn after \(kept) bytes")
      // The same where the file itself ends there.
      let (shortRecovery, shortRecords) = try recover(Array(bytes[..<(end - SpoolFormat.slotBytes + kept)]))
      #expect(shortRecords == [.numbered(1), .numbered(2)])
      #expect(shortRecovery.tornEntries == 1)
    }
    // Control: untorn, the third is there.
    #expect(try recover(whole).records.count == 3)
  }

  @Test("loses only the entry in which a bit has flipped, whichever bit it is")
  func flippedBits() throws {
    // Record 2 × n has its bit n flipped; the odd ones are whole.
    let bits = SpoolFormat.slotBytes * 8
    var bytes = try segment(records: UInt64(2 * bits))
    for bit in 0..<bits {
      let slot = SpoolFormat.headerBytes + (2 * bit + 1) * SpoolFormat.slotBytes
      bytes[slot + bit / 8] ^= 1 << UInt8(bit % 8)
    }
    let (recovery, records) = try recover(bytes)
    #expect(records == stride(from: 1, to: UInt64(2 * bits), by: 2).map { .numbered($0) })
    // The last one has nothing whole behind it, so it counts as torn.
    #expect(recovery.damagedEntries == bits - 1)
    #expect(recovery.tornEntries == 1)
  }

  @Test("loses nothing to a damaged header, because every entry proves its epoch")
  func damagedHeader() throws {
    var bytes = try segment(records: 3)
    for index in 0..<SpoolFormat.headerBytes { bytes[index] = 0xFF }
    #expect(try recover(bytes).records.count == 3)
    // Control: under another epoch's name the entries are nobody's.
    #expect(try recover(bytes, epoch: 43).records.isEmpty)
  }

  @Test("leaves a segment of another format version alone")
  func otherVersion() throws {
    let folder = try ScratchFolder()
    var bytes = [UInt8](repeating: 0, count: 64)
    bytes.replaceSubrange(0..<8, with: Array("STRSPOOL".utf8))
    bytes[8] = 2
    let checksum = bytes.withUnsafeBytes { strait_crc32c(0, $0.baseAddress, 60) }
    withUnsafeBytes(of: checksum.littleEndian) { bytes.replaceSubrange(60..<64, with: $0) }
    let path = "\(folder.path)/\(segmentName(epoch: 42))"
    try writeFile(path, bytes)
    let spool = try UsageSpool(directory: folder.path, logger: quiet, upkeepThread: false)
    spool.close()
    #expect(try readFile(path) == bytes)
  }

  @Test("removes segments that were made ready and never used")
  func emptySegments() throws {
    let folder = try ScratchFolder()
    try writeFile("\(folder.path)/\(segmentName(epoch: 42))", [UInt8](repeating: 0, count: 4096))
    let spool = try UsageSpool(directory: folder.path, limits: .small(), logger: quiet, upkeepThread: false)
    #expect(segments(folder.path).count == 2)
    spool.close()
    #expect(segments(folder.path).isEmpty)
  }

  @Test("never uses an epoch twice, though the clock go back or the file be lost")
  func epochs() throws {
    let folder = try ScratchFolder()
    let far = UInt64.max / 2
    try writeFile("\(folder.path)/epoch", Array("\(far)\n".utf8))
    let first = try UsageSpool(directory: folder.path, logger: quiet, upkeepThread: false)
    #expect(first.epoch == far + 1)
    first.append(.numbered(1))
    first.close()
    try writeFile("\(folder.path)/epoch", Array("nonsense".utf8))
    let second = try UsageSpool(directory: folder.path, logger: quiet, upkeepThread: false)
    #expect(second.epoch == far + 2)
    second.close()
  }

  @Test("is held by one process at a time")
  func lock() throws {
    let folder = try ScratchFolder()
    let first = try UsageSpool(directory: folder.path, logger: quiet, upkeepThread: false)
    #expect(throws: SystemError.self) {
      try UsageSpool(directory: folder.path, logger: quiet, upkeepThread: false)
    }
    first.close()
  }

  @Test("has the checksum of RFC 3720, by instruction and by table")
  func checksum() {
    // "123456789" gives E3069283: the check value of CRC-32C.
    let text = Array("123456789".utf8)
    #expect(text.withUnsafeBytes { strait_crc32c(0, $0.baseAddress, $0.count) } == 0xE306_9283)
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    for length in 0..<200 {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let (fast, portable) = bytes.withUnsafeBytes {
        (strait_crc32c(5, $0.baseAddress, $0.count), strait_crc32c_portable(5, $0.baseAddress, $0.count))
      }
      #expect(fast == portable, "length \(length), seed \(seed)")
    }
  }

  // MARK: Making and reading segments

  private func segmentName(epoch: UInt64) -> String {
    let digits = String(epoch, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits + "-00000000.segment"
  }

  /// The bytes of a segment with records 1, 2, 3, … in epoch 42.
  private func segment(records: UInt64) throws -> [UInt8] {
    let folder = try ScratchFolder()
    try writeFile("\(folder.path)/epoch", Array("x".utf8))
    let spool = try UsageSpool(
      directory: folder.path, limits: .small(slots: Int(records) + 1), logger: quiet, upkeepThread: false,
      wallClock: 42)
    for number in 1...records { spool.append(.numbered(number)) }
    spool.close()
    let name = try #require(segments(folder.path).first)
    return try readFile("\(folder.path)/\(name)")
  }

  private func recover(
    _ bytes: [UInt8], epoch: UInt64 = 42
  ) throws -> (recovery: SpoolRecovery, records: [UsageRecord]) {
    let folder = try ScratchFolder()
    try writeFile("\(folder.path)/\(segmentName(epoch: epoch))", bytes)
    let spool = try UsageSpool(directory: folder.path, limits: .small(), logger: quiet, upkeepThread: false)
    defer { spool.close() }
    return (spool.recovery, spool.drain().map(\.record))
  }
}
