// The last good configuration on disk, sealed: it holds the credentials of upstreams. Written and read piece by piece, so
// that a million keys need no room for a copy.
//
//    0  magic "STRSNAPS" · 8 format u32 · 12 zero u32 · 16 random, 16 bytes
//   32  pieces: length u32 · CRC-32C u32 · nonce, ciphertext and tag of AES-256-GCM of a part of an update; associated
//       data are the first 32 bytes of the file, the piece's number u64 and whether it is the last u8
//
// Pieces cannot change places, come from another file or go missing at the end. Format 1 is one piece; it is still read.

import Crypto
import FoundationEssentials
import Glibc
import StraitProtocol
import SwiftProtobuf

/// Why a stored configuration cannot be used. Says nothing of what is in it.
package enum SnapshotFault: Error, CustomStringConvertible, Equatable {
  case damaged
  case newerFormat(UInt32)
  case notOfThisEdge
  case malformed

  package var description: String {
    switch self {
    case .damaged: "the file is damaged"
    case .newerFormat(let format):
      "the file has format \(format), of a newer version of this software; this one reads formats up to "
        + "\(SnapshotFile.format): run the newer version, or wait for the control plane to send everything again"
    case .notOfThisEdge: "the file was not sealed with this edge's key"
    case .malformed: "the file does not hold a configuration"
    }
  }
}

package enum SnapshotFile {
  package static let format: UInt32 = 2
  fileprivate static let magic = Array("STRSNAPS".utf8)
  private static let headerBytes = 32
  /// A piece holds one part of a snapshot, and parts have a resource more than `SnapshotParts.partBytes` at most.
  private static let pieceBytes = 64 << 20

  // MARK: Writing

  /// Replaces the file, whole or not at all.
  /// - Returns: how many bytes it has
  @discardableResult
  package static func write(_ state: ConfigurationState, to path: String, with key: SymmetricKey) throws
    -> Int
  {
    var header = magic + littleEndian(format) + littleEndian(UInt32(0))
    header += SymmetricKey(size: .bits128).withUnsafeBytes(Array.init)
    var written = header.count
    try DurableFile.write(to: path) { write throws in
      try write(header)
      for (number, part) in SnapshotParts(of: state).enumerated() {
        let plain: [UInt8] = try part.serializedBytes()
        let about = associated(header, piece: number, isLast: part.last)
        let box = try AES.GCM.seal(plain, using: key, authenticating: about)
        // `combined` is absent only for nonces of other sizes than the standard's.
        guard let sealed = box.combined.map(Array.init) else { throw SnapshotFault.malformed }
        try write(littleEndian(UInt32(sealed.count)) + littleEndian(checksum(sealed)))
        try write(sealed)
        written += sealed.count + 8
      }
    }
    return written
  }

  // MARK: Reading

  /// - Parameter limitBytes: a larger file is refused
  /// - Returns: nil when there is no such file
  /// - Throws: `SnapshotFault`, `SystemError`
  package static func read(_ path: String, limitBytes: Int, with key: SymmetricKey) throws
    -> ConfigurationState?
  {
    guard let file = try FileReader(path) else { return nil }
    guard file.byteCount <= limitBytes else { throw SystemError("read", path, code: EFBIG) }
    let start = try file.read(16)
    guard try format(of: start) > 1 else {
      return try SnapshotFileFormat1.open(start + file.read(file.byteCount), with: key)
    }
    return try state(from: file, try header(of: file, after: start), with: key)
  }

  /// Of what configuration a file is, by its first piece: the others may be damaged.
  /// - Returns: nil when there is no such file
  /// - Throws: `SnapshotFault`, `SystemError`
  package static func version(_ path: String, with key: SymmetricKey) throws -> StoredVersion? {
    guard let file = try FileReader(path) else { return nil }
    let start = try file.read(16)
    guard try format(of: start) > 1 else {
      return StoredVersion(try SnapshotFileFormat1.open(start + file.read(file.byteCount), with: key))
    }
    let header = try header(of: file, after: start)
    guard let piece = try nextPiece(of: file) else { throw SnapshotFault.damaged }
    let about = associated(header, piece: 0, isLast: file.isAtEnd)
    do {
      let part = try WireConfigurationUpdate(serializedBytes: try opened(piece, with: key, about: about))
      return StoredVersion(lineage: Array(part.lineage), version: part.version)
    } catch let fault as SnapshotFault {
      throw fault
    } catch {
      throw SnapshotFault.malformed
    }
  }

  private static func format(of start: [UInt8]) throws(SnapshotFault) -> UInt32 {
    guard start.count == 16, Array(start[..<8]) == magic else { throw .damaged }
    switch word(start, 8, as: UInt32.self) {
    case 0: throw .damaged
    case let other where other > format: throw .newerFormat(other)
    case let known: return known
    }
  }

  private static func header(of file: FileReader, after start: [UInt8]) throws -> [UInt8] {
    let header = start + (try file.read(headerBytes - start.count))
    guard header.count == headerBytes else { throw SnapshotFault.damaged }
    return header
  }

  /// The next piece, sealed; nil at the file's end.
  private static func nextPiece(of file: FileReader) throws -> [UInt8]? {
    let prefix = try file.read(8)
    if prefix.isEmpty { return nil }
    guard prefix.count == 8 else { throw SnapshotFault.damaged }
    let length = Int(word(prefix, 0, as: UInt32.self))
    guard length <= pieceBytes else { throw SnapshotFault.damaged }
    let sealed = try file.read(length)
    guard sealed.count == length, word(prefix, 4, as: UInt32.self) == checksum(sealed) else {
      throw SnapshotFault.damaged
    }
    return sealed
  }

  private static func state(
    from file: FileReader, _ header: [UInt8], with key: SymmetricKey
  ) throws -> ConfigurationState {
    var edit: ConfigurationEdit?
    var number = 0
    var isOver = false
    while let sealed = try nextPiece(of: file) {
      isOver = file.isAtEnd
      let plain = try opened(sealed, with: key, about: associated(header, piece: number, isLast: isOver))
      do {
        let part = try WireConfigurationUpdate(serializedBytes: plain)
        if edit == nil { edit = try ConfigurationEdit(of: ConfigurationState(), beginning: part) }
        try edit?.take(part)
      } catch {
        throw SnapshotFault.malformed
      }
      number += 1
    }
    guard let edit, isOver else { throw SnapshotFault.damaged }
    do {
      return try edit.finished()
    } catch {
      throw SnapshotFault.malformed
    }
  }

  private static func associated(_ header: [UInt8], piece number: Int, isLast: Bool) -> [UInt8] {
    header + littleEndian(UInt64(number)) + [isLast ? 1 : 0]
  }
}

/// The whole of one update in one piece:
///
///     0  magic · 8 format u32 · 12 CRC-32C of the sealed bytes u32 · 16 their length u64
///    24  nonce, ciphertext and tag, with the first 12 bytes of the file as associated data
private enum SnapshotFileFormat1 {
  static func open(_ bytes: [UInt8], with key: SymmetricKey) throws(SnapshotFault) -> ConfigurationState {
    guard bytes.count >= 24 else { throw .damaged }
    let sealed = Array(bytes[24...])
    guard word(bytes, 16, as: UInt64.self) == UInt64(sealed.count),
      word(bytes, 12, as: UInt32.self) == checksum(sealed)
    else { throw .damaged }
    let plain = try opened(sealed, with: key, about: Array(bytes[..<12]))
    do {
      return try ConfigurationState().applying([try WireConfigurationUpdate(serializedBytes: plain)])
    } catch {
      throw .malformed
    }
  }
}

private func opened(_ sealed: [UInt8], with key: SymmetricKey, about: [UInt8]) throws(SnapshotFault) -> Data {
  do {
    return try AES.GCM.open(AES.GCM.SealedBox(combined: sealed), using: key, authenticating: about)
  } catch {
    throw .notOfThisEdge
  }
}
