// Bytes for tests of parsers: literals, random choices that can be replayed, and every way to split an input in two.

import EdgeDataPath

func withBytes<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows
  -> Result
{
  try withBytes(Array(text.utf8), body)
}

func withBytes<Result>(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows
  -> Result
{
  // A copy of exactly this size: the sanitizer then sees a read beyond the end.
  let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
  defer { exact.deallocate() }
  exact.copyBytes(from: bytes)
  return try body(UnsafeRawBufferPointer(exact))
}

/// Cuts an input at each given position.
func pieces(of bytes: [UInt8], cutAt cuts: [Int]) -> [[UInt8]] {
  let borders = [0] + cuts + [bytes.count]
  return zip(borders, borders.dropFirst()).map { Array(bytes[$0..<$1]) }
}

func text(of queue: borrowing ByteQueue) -> String {
  String(decoding: queue.readable, as: UTF8.self)
}

/// SplitMix64: the same numbers from the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
