// Revocations on disk. Not sealed: it holds identifiers and no digests, and an edge that has got a new key still reads it.
//
//    0  magic "STRREVOC" · 8 format version u32 · 12 CRC-32C of what follows the header u32 · 16 its length u64
//   24  lineage 16 bytes · number u64 · the floor: lineage 16 bytes · version u64, all zero for none
//       then each entry: lineage 16 bytes · subject 16 bytes · number u64 · version u64 · made at i64 · kind u8 (1 a key,
//       2 a team) · confirmed u8 · 6 bytes of zero

import StraitProtocol

/// Why stored revocations cannot be used.
enum RevocationFileFault: Error, CustomStringConvertible {
  case damaged
  case unknownVersion
  case malformed

  var description: String {
    switch self {
    case .damaged: "the file is damaged"
    case .unknownVersion: "the file was written by another version of this software"
    case .malformed: "the file does not hold revocations"
    }
  }
}

enum RevocationFile {
  private static let magic = Array("STRREVOC".utf8)
  private static let version: UInt32 = 2
  /// Without the floor; it is still read.
  private static let firstVersion: UInt32 = 1
  private static let headerBytes = 24
  private static let entryBytes = 64

  static func encode(_ ledger: RevocationLedger) -> [UInt8] {
    var body = ledger.lineage.bytes + littleEndian(ledger.resumesAt)
    let floor = ledger.floor ?? StoredVersion(lineage: LineageID.none.bytes, version: 0)
    body += floor.lineage + littleEndian(floor.version)
    body.reserveCapacity(headerBytes + ledger.entries.count * entryBytes)
    for entry in ledger.entries.values.sorted(by: { $0.number < $1.number }) {
      body += encode(entry)
    }
    return magic + littleEndian(version) + littleEndian(checksum(body)) + littleEndian(UInt64(body.count))
      + body
  }

  static func decode(_ bytes: [UInt8]) throws(RevocationFileFault) -> RevocationLedger {
    guard bytes.count >= headerBytes, Array(bytes[..<8]) == magic else { throw .damaged }
    let written = word(bytes, 8, as: UInt32.self)
    guard written == version || written == firstVersion else { throw .unknownVersion }
    let body = Array(bytes[headerBytes...])
    guard word(bytes, 16, as: UInt64.self) == UInt64(body.count),
      word(bytes, 12, as: UInt32.self) == checksum(body)
    else { throw .damaged }
    let beginning = written == version ? 48 : 24
    guard body.count >= beginning, (body.count - beginning) % entryBytes == 0,
      let lineage = LineageID(bytes: body[..<16])
    else { throw .malformed }
    var floor: StoredVersion?
    if written == version, word(body, 40, as: UInt64.self) > 0 {
      floor = StoredVersion(lineage: Array(body[24..<40]), version: word(body, 40, as: UInt64.self))
    }
    var entries = [RevocationEntry]()
    for start in stride(from: beginning, to: body.count, by: entryBytes) {
      guard let entry = decodeEntry(body, at: start) else { throw .malformed }
      entries.append(entry)
    }
    return RevocationLedger(
      lineage: lineage, number: word(body, 16, as: UInt64.self), floor: floor, entries: entries)
  }

  private static func encode(_ entry: RevocationEntry) -> [UInt8] {
    let (kind, id): (UInt8, [UInt8]) =
      switch entry.subject {
      case .key(let id): (1, id.bytes)
      case .team(let id): (2, id.bytes)
      }
    return entry.lineage.bytes + id + littleEndian(entry.number) + littleEndian(entry.version)
      + littleEndian(entry.madeAt) + [kind, entry.confirmed ? 1 : 0, 0, 0, 0, 0, 0, 0]
  }

  private static func decodeEntry(_ bytes: [UInt8], at start: Int) -> RevocationEntry? {
    let id = bytes[(start + 16)..<(start + 32)]
    let subject: RevocationSubject? =
      switch bytes[start + 56] {
      case 1: KeyID(bytes: id).map(RevocationSubject.key)
      case 2: TeamID(bytes: id).map(RevocationSubject.team)
      default: nil
      }
    guard let subject, let lineage = LineageID(bytes: bytes[start..<(start + 16)]) else { return nil }
    return RevocationEntry(
      subject: subject, lineage: lineage, number: word(bytes, start + 32, as: UInt64.self),
      version: word(bytes, start + 40, as: UInt64.self), madeAt: word(bytes, start + 48, as: Int64.self),
      confirmed: bytes[start + 57] == 1)
  }
}
