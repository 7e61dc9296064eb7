// An input, and the ways to cut it: whatever arrives over a network arrives in pieces that nobody chooses.

import EdgeDataPath

struct FuzzInput {
  /// The first byte, a character in the seeds: what kind of thing the bytes are.
  let option: UInt8
  let bytes: [UInt8]

  /// One of several choices; the character 0 is the first.
  func choice<Value>(of choices: [Value]) -> Value {
    choices[Int(option &- UInt8(ascii: "0")) % choices.count]
  }

  /// Calls `body` with the bytes in pieces: whole, byte by byte, cut in two everywhere when they are few, and cut at places
  /// that follow from the bytes themselves.
  func forEachPartition(_ body: ([Piece]) -> Void) {
    body([Piece(bytes[...])])
    body(bytes.indices.map { Piece(bytes[$0...$0]) })
    if bytes.count <= 48 {
      for cut in bytes.indices.dropFirst() { body(pieces(cutAt: [cut])) }
    }
    var places = PlaceGenerator(bytes)
    for cuts in 1...6 { body(pieces(cutAt: (0..<cuts).map { _ in places.next(upTo: bytes.count) }.sorted())) }
  }

  /// Cuts may fall together: an empty piece is a piece.
  private func pieces(cutAt cuts: [Int]) -> [Piece] {
    let borders = [0] + cuts + [bytes.count]
    return zip(borders, borders.dropFirst()).map { Piece(bytes[$0..<$1]) }
  }
}

/// Bytes in a block of exactly their size: AddressSanitizer sees a read beyond either end. They stay until the input has
/// been dealt with.
struct Piece {
  let bytes: UnsafeRawBufferPointer

  nonisolated(unsafe) private static var blocks = [UnsafeMutableRawBufferPointer]()

  init(_ bytes: ArraySlice<UInt8>) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    block.copyBytes(from: bytes)
    Self.blocks.append(block)
    self.bytes = UnsafeRawBufferPointer(block)
  }

  static func removeAll() {
    for block in blocks { block.deallocate() }
    blocks.removeAll(keepingCapacity: true)
  }
}

/// Places to cut at, the same for the same bytes: SplitMix64 over their FNV-1a hash.
private struct PlaceGenerator {
  private var state: UInt64

  init(_ bytes: [UInt8]) {
    state = bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  mutating func next(upTo limit: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return Int((value ^ value >> 31) % UInt64(limit + 1))
  }
}

func bytes(of queue: borrowing ByteQueue) -> [UInt8] { Array(queue.readable) }

func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
