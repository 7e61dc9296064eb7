// Which bytes may stand where in an HTTP/1.1 head (RFC 9110, section 5).

enum HTTP1Characters {
  /// `tchar`: what names of fields and methods are made of.
  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    // Bit n of a word stands for the character n, or 64 + n.
    let low: UInt64 = 0x03FF_6CFA_0000_0000
    let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
    if byte >= 128 { return false }
    let word = byte < 64 ? low : high
    return word &>> UInt64(byte & 63) & 1 == 1
  }

  /// What a request's target is made of: visible ASCII, and no fragment.
  @inline(__always)
  static func isTarget(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#")
  }

  /// What a host with or without a port is made of (RFC 3986, section 3.2.2), brackets and percent signs included.
  @inline(__always)
  static func isHost(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: ":"),
      UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "%"), UInt8(ascii: "!"), UInt8(ascii: "$"),
      UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"),
      UInt8(ascii: "+"), UInt8(ascii: ";"), UInt8(ascii: "="):
      true
    default: false
    }
  }

  /// How many bytes can be part of a field's value: everything but controls; the tab is none here.
  @inline(__always)
  static func valueLength(_ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    let space = SIMD16<UInt8>(repeating: 0x20)
    let tab = SIMD16<UInt8>(repeating: 0x09)
    let delete = SIMD16<UInt8>(repeating: 0x7F)
    var index = 0
    while count &- index >= 16 {
      let block = bytes.loadUnaligned(fromByteOffset: index, as: SIMD16<UInt8>.self)
      let found = firstLane(of: ((block .< space) .& (block .!= tab)) .| (block .== delete))
      if found < 16 { return index &+ found }
      index &+= 16
    }
    while index < count {
      let byte = bytes.load(fromByteOffset: index, as: UInt8.self)
      if (byte < 0x20 && byte != 0x09) || byte == 0x7F { return index }
      index &+= 1
    }
    return count
  }

  /// - Parameter text: in lower case
  @inline(__always)
  static func isEqual(_ bytes: UnsafeRawPointer, _ count: Int, ignoringCase text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    for index in 0..<count {
      let byte = bytes.load(fromByteOffset: index, as: UInt8.self)
      let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
      if (isUpper ? byte | 0x20 : byte) != text.utf8Start[index] { return false }
    }
    return true
  }
}
