import CChecksum
import Crypto
import EdgeUplink
import Foundation
import StraitProtocol
import Testing

private func manyKeys(_ count: Int) throws -> ConfigurationState {
  var packed = PackedKeys(expecting: count)
  for number in 0..<count {
    var digest = KeyDigest()
    digest.words = (UInt64(number) &* 0x9E37_79B9_7F4A_7C15, UInt64(number), 0, 0)
    packed.append(
      KeyRecord(
        id: KeyID(high: 1, low: UInt64(number)),
        teamID: TeamID(high: 0x0303_0303_0303_0303, low: 0x0303_0303_0303_0303),
        digest: digest, expiresAt: Int64(number)))
  }
  var update = Updates.snapshot(version: 5)
  update.upserts.removeLast()
  update.packedKeys = packed.bytes
  return try ConfigurationState().applying([update])
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

@Suite("The stored configuration's file")
struct SnapshotFileTests {
  private let key = SymmetricKey(size: .bits256)
  private let folder: ScratchFolder
  private var path: String { folder.path + "/configuration.snapshot" }

  init() throws {
    folder = try ScratchFolder()
  }

  private func read() throws -> ConfigurationState? {
    try SnapshotFile.read(path, limitBytes: 1 << 30, with: key)
  }

  @Test("holds a large configuration in pieces, and gives the same back")
  func pieces() throws {
    let state = try manyKeys(50_000)
    // 50,000 keys of 72 bytes: more than three pieces of 1 MiB.
    #expect(try SnapshotFile.write(state, to: path, with: key) > 3 << 20)
    #expect(try read() == state)
    #expect(try SnapshotFile.read(path + ".none", limitBytes: 1 << 30, with: key) == nil)
  }

  @Test("is refused when it lacks a piece, or has them in another order, or one too many")
  func missingPieces() throws {
    try SnapshotFile.write(try manyKeys(50_000), to: path, with: key)
    let whole = try readFile(path)
    let header = Array(whole[..<32])
    var pieces: [[UInt8]] = []
    var offset = 32
    while offset < whole.count {
      let length = (0..<4).reduce(0) { $0 | Int(whole[offset + $1]) << (8 * $1) }
      pieces.append(Array(whole[offset..<offset + 8 + length]))
      offset += 8 + length
    }
    #expect(pieces.count > 3)
    let broken = [
      Array(pieces.dropLast()), Array(pieces.dropFirst()), [pieces[1], pieces[0]] + pieces[2...],
      pieces + [pieces[0]], [],
    ]
    for order in broken {
      try writeFile(path, header + order.flatMap { $0 })
      #expect(throws: SnapshotFault.self) { try read() }
    }
    // The control.
    try writeFile(path, header + pieces.flatMap { $0 })
    #expect(try read()?.keys.count == 50_000)
  }

  @Test("of the format before is still read")
  func formerFormat() throws {
    let plain: [UInt8] = try Updates.snapshot(version: 5).serializedBytes()
    let start = Array("STRSNAPS".utf8) + littleEndian(UInt32(1))
    let sealed = Array(try #require(AES.GCM.seal(plain, using: key, authenticating: start).combined))
    let checksum = sealed.withUnsafeBytes { strait_crc32c(0, $0.baseAddress, $0.count) }
    try writeFile(path, start + littleEndian(checksum) + littleEndian(UInt64(sealed.count)) + sealed)
    let state = try #require(try read())
    #expect(state.version == 5 && state.keys.count == 1)
  }

  @Test("of a newer format is refused with words that say what to do")
  func newerFormat() throws {
    try SnapshotFile.write(try manyKeys(3), to: path, with: key)
    var bytes = try readFile(path)
    bytes[8] = 3
    try writeFile(path, bytes)
    #expect(throws: SnapshotFault.newerFormat(3)) { try read() }
    #expect(
      SnapshotFault.newerFormat(3).description
        == "the file has format 3, of a newer version of this software; this one reads formats up to 2: run the newer "
        + "version, or wait for the control plane to send everything again")
  }

  @Test("opens with no other key")
  func otherKey() throws {
    try SnapshotFile.write(try manyKeys(3), to: path, with: key)
    #expect(throws: SnapshotFault.notOfThisEdge) {
      try SnapshotFile.read(path, limitBytes: 1 << 30, with: SymmetricKey(size: .bits256))
    }
  }
}
