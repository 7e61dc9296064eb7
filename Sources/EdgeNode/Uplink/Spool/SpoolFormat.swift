// The bytes of a segment file: a header, then slots of one size. Everything is little-endian and at fixed offsets, so a
// file is read the same by every build. Slots of one size mean that a damaged one never hides the next.
//
//   header, 64 bytes                          slot, 192 bytes
//    0  magic "STRSPOOL"                       0  length of the payload, u32 (184)
//    8  format version, u32                    4  CRC-32C, u32, over epoch (8 bytes), length and payload
//   12  slot size, u32                         8  payload
//   16  epoch, u64
//   24  first sequence, u64
//   32  zero
//   60  CRC-32C of the 60 bytes before, u32
//
// The epoch is part of a slot's checksum though not of the slot: an entry proves which epoch it belongs to.

import CChecksum
import StraitProtocol

package enum SpoolFormat {
  package static let version: UInt32 = 1
  package static let headerBytes = 64
  package static let slotBytes = 192
  package static let payloadBytes = slotBytes - 8
  /// "STRSPOOL" read as a little-endian word.
  static let magic: UInt64 = 0x4C4F_4F50_5352_5453

  /// How many records a segment of this size takes.
  package static func slots(inSegmentBytes bytes: Int) -> Int {
    max(0, (bytes - headerBytes) / slotBytes)
  }

  /// What every slot's checksum of the epoch begins with: the epoch and the length, which is the same in all of them.
  static func checksumSeed(epoch: UInt64) -> UInt32 {
    let seed = withUnsafeBytes(of: epoch.littleEndian) { strait_crc32c(0, $0.baseAddress, $0.count) }
    return withUnsafeBytes(of: UInt32(payloadBytes).littleEndian) {
      strait_crc32c(seed, $0.baseAddress, $0.count)
    }
  }

  // MARK: Header

  static func writeHeader(_ header: SegmentHeader, to base: UnsafeMutableRawPointer) {
    base.storeBytes(of: magic.littleEndian, as: UInt64.self)
    base.storeBytes(of: version.littleEndian, toByteOffset: 8, as: UInt32.self)
    base.storeBytes(of: UInt32(slotBytes).littleEndian, toByteOffset: 12, as: UInt32.self)
    base.storeBytes(of: header.epoch.littleEndian, toByteOffset: 16, as: UInt64.self)
    base.storeBytes(of: header.firstSequence.littleEndian, toByteOffset: 24, as: UInt64.self)
    base.storeBytes(of: strait_crc32c(0, base, 60).littleEndian, toByteOffset: 60, as: UInt32.self)
  }

  static func readHeader(_ bytes: UnsafeRawBufferPointer) -> HeaderReading {
    guard bytes.count >= headerBytes, let base = bytes.baseAddress else { return .damaged }
    guard load(bytes, 0, as: UInt64.self) == magic else { return .damaged }
    guard load(bytes, 60, as: UInt32.self) == strait_crc32c(0, base, 60) else { return .damaged }
    guard load(bytes, 8, as: UInt32.self) == version, load(bytes, 12, as: UInt32.self) == UInt32(slotBytes)
    else {
      return .unknownVersion
    }
    return .header(
      SegmentHeader(epoch: load(bytes, 16, as: UInt64.self), firstSequence: load(bytes, 24, as: UInt64.self)))
  }

  // MARK: Slots

  /// Writes an entry straight into its slot. The slot holds zeros before.
  @inline(__always)
  static func writeSlot(
    _ record: UsageRecord, sequence: UInt64, checksumSeed: UInt32, to slot: UnsafeMutableRawPointer
  ) {
    slot.storeBytes(of: UInt32(payloadBytes).littleEndian, as: UInt32.self)
    RecordCoding.write(record, sequence: sequence, to: slot + 8)
    let checksum = strait_crc32c(checksumSeed, slot + 8, payloadBytes)
    slot.storeBytes(of: checksum.littleEndian, toByteOffset: 4, as: UInt32.self)
  }

  /// Reads one slot.
  /// - Parameter slot: `slotBytes` bytes, or fewer at the end of a file
  static func readSlot(_ slot: UnsafeRawBufferPointer, checksumSeed: UInt32) -> SlotReading {
    guard slot.count == slotBytes, let base = slot.baseAddress,
      load(slot, 0, as: UInt32.self) == UInt32(payloadBytes)
    else {
      return slot.allSatisfy { $0 == 0 } ? .empty : .damaged
    }
    let checksum = strait_crc32c(checksumSeed, base + 8, payloadBytes)
    guard load(slot, 4, as: UInt32.self) == checksum else { return .damaged }
    guard let entry = RecordCoding.read(UnsafeRawBufferPointer(rebasing: slot[8...])) else { return .damaged }
    return .entry(entry)
  }

  @inline(__always)
  static func load<Word: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ offset: Int, as type: Word.Type
  ) -> Word {
    Word(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Word.self))
  }
}

struct SegmentHeader: Equatable {
  var epoch: UInt64
  var firstSequence: UInt64
}

enum HeaderReading: Equatable {
  case header(SegmentHeader)
  /// Whole, but written by a build that this one cannot read.
  case unknownVersion
  case damaged
}

/// A record with its place in its epoch.
package struct SpoolEntry: Equatable, Sendable {
  package var sequence: UInt64
  package var record: UsageRecord
}

enum SlotReading: Equatable {
  case entry(SpoolEntry)
  /// Never written.
  case empty
  case damaged
}
