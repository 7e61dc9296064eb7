// The last good configuration on disk, sealed: it holds the credentials of upstreams.
//
//    0  magic "STRSNAPS" · 8 format version u32 · 12 CRC-32C of the sealed bytes u32 · 16 their length u64
//   24  nonce, ciphertext and tag of AES-256-GCM, with the first 12 bytes of the file as associated data

import CChecksum
import Crypto
import FoundationEssentials
import StraitProtocol
import SwiftProtobuf

/// Why a stored configuration cannot be used. Says nothing of what is in it.
package enum SnapshotFault: Error, CustomStringConvertible, Equatable {
  case damaged
  case unknownVersion
  case notOfThisEdge
  case malformed

  package var description: String {
    switch self {
    case .damaged: "the file is damaged"
    case .unknownVersion: "the file was written by another version of this software"
    case .notOfThisEdge: "the file was not sealed with this edge's key"
    case .malformed: "the file does not hold a configuration"
    }
  }
}

enum SnapshotFile {
  private static let magic = Array("STRSNAPS".utf8)
  private static let version: UInt32 = 1
  private static let headerBytes = 24

  static func seal(_ state: ConfigurationState, with key: SymmetricKey) throws -> [UInt8] {
    let plain: [UInt8] = try state.snapshot().serializedBytes()
    let associated = magic + littleEndian(version)
    let box = try AES.GCM.seal(plain, using: key, authenticating: associated)
    // `combined` is absent only for nonces of other sizes than the standard's.
    guard let sealed = box.combined.map(Array.init) else { throw SnapshotFault.malformed }
    return associated + littleEndian(checksum(sealed)) + littleEndian(UInt64(sealed.count)) + sealed
  }

  static func open(_ bytes: [UInt8], with key: SymmetricKey) throws(SnapshotFault) -> ConfigurationState {
    guard bytes.count >= headerBytes, Array(bytes[..<8]) == magic else { throw .damaged }
    guard word(bytes, 8, as: UInt32.self) == version else { throw .unknownVersion }
    let sealed = Array(bytes[headerBytes...])
    guard word(bytes, 16, as: UInt64.self) == UInt64(sealed.count),
      word(bytes, 12, as: UInt32.self) == checksum(sealed)
    else { throw .damaged }
    let plain: Data
    do {
      plain = try AES.GCM.open(AES.GCM.SealedBox(combined: sealed), using: key, authenticating: bytes[..<12])
    } catch {
      throw .notOfThisEdge
    }
    do {
      let update = try WireConfigurationUpdate(serializedBytes: plain)
      return try ConfigurationState().applying([update])
    } catch {
      throw .malformed
    }
  }

  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { strait_crc32c(0, $0.baseAddress, $0.count) }
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  private static func word<Word: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: [UInt8], _ offset: Int, as type: Word.Type
  ) -> Word {
    bytes.withUnsafeBytes { Word(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Word.self)) }
  }
}
