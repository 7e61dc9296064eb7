// What the edge's files are made of: little-endian words and checksums.

import CChecksum

func checksum(_ bytes: [UInt8]) -> UInt32 {
  bytes.withUnsafeBytes { strait_crc32c(0, $0.baseAddress, $0.count) }
}

func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

func word<Word: FixedWidthInteger & BitwiseCopyable>(
  _ bytes: [UInt8], _ offset: Int, as type: Word.Type
) -> Word {
  bytes.withUnsafeBytes { Word(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Word.self)) }
}
