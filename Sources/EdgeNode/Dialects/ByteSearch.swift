// Searches that pass over plain bytes many at a time. None reads beyond the count that it is given.

/// How many bytes of a JSON string can be passed over: up to the first quote, backslash or control character.
@inline(__always)
func plainStringLength(_ bytes: UnsafeRawPointer, _ count: Int) -> Int {
  // Names and words, which most strings are, end here.
  guard count >= 16 else { return restOfString(bytes, 0, count) }
  let found = firstLane(of: endsString(bytes))
  return found < 16 ? found : restOfString(bytes, 16, count)
}

/// The same from a position on. What is long is looked at by 64 bytes, because finding the lane takes longer than the rest.
@inline(never)
private func restOfString(_ bytes: UnsafeRawPointer, _ start: Int, _ count: Int) -> Int {
  var index = start
  while count &- index >= 64 {
    let block = bytes + index
    let first = endsString(block) .| endsString(block + 16)
    let second = endsString(block + 32) .| endsString(block + 48)
    if firstLane(of: first .| second) < 16 { break }
    index &+= 64
  }
  while count &- index >= 16 {
    let found = firstLane(of: endsString(bytes + index))
    if found < 16 { return index &+ found }
    index &+= 16
  }
  while index < count {
    let byte = bytes.load(fromByteOffset: index, as: UInt8.self)
    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 { return index }
    index &+= 1
  }
  return count
}

/// Which of sixteen bytes a JSON string cannot have in it as they are.
@inline(__always)
private func endsString(_ bytes: UnsafeRawPointer) -> SIMDMask<SIMD16<Int8>> {
  let block = bytes.loadUnaligned(as: SIMD16<UInt8>.self)
  let quote = SIMD16<UInt8>(repeating: UInt8(ascii: "\""))
  let backslash = SIMD16<UInt8>(repeating: UInt8(ascii: "\\"))
  let space = SIMD16<UInt8>(repeating: 0x20)
  return (block .== quote) .| (block .== backslash) .| (block .< space)
}

/// How many bytes stand before the first CR or LF.
@inline(__always)
func lineLength(_ bytes: UnsafeRawPointer, _ count: Int) -> Int {
  let lineFeed = SIMD16<UInt8>(repeating: 0x0A)
  let carriageReturn = SIMD16<UInt8>(repeating: 0x0D)
  var index = 0
  while count &- index >= 16 {
    let block = bytes.loadUnaligned(fromByteOffset: index, as: SIMD16<UInt8>.self)
    let found = firstLane(of: (block .== lineFeed) .| (block .== carriageReturn))
    if found < 16 { return index &+ found }
    index &+= 16
  }
  while index < count {
    let byte = bytes.load(fromByteOffset: index, as: UInt8.self)
    if byte == 0x0A || byte == 0x0D { return index }
    index &+= 1
  }
  return count
}

/// The first lane that is set, 16 for none. Lane 0 is the least significant byte on the little-endian machines we run on.
@inline(__always)
func firstLane(of mask: SIMDMask<SIMD16<Int8>>) -> Int {
  let halves = unsafeBitCast(mask, to: SIMD2<UInt64>.self)
  if halves[0] != 0 { return halves[0].trailingZeroBitCount &>> 3 }
  if halves[1] != 0 { return 8 &+ halves[1].trailingZeroBitCount &>> 3 }
  return 16
}
