// Identifiers: UUIDv7 (RFC 9562, section 5.7), typed by what they name.

/// A UUIDv7 held as two big-endian words, so that it is trivially copied and compares in creation order.
///
/// `Subject` only keeps a key's identifier from being passed for a team's.
package struct Identifier<Subject>: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The 48-bit Unix time in milliseconds, the version and 12 random bits.
  package let high: UInt64
  /// The variant and 62 random bits.
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// A new identifier for the given moment.
  /// - Parameter now: microseconds since 1970, UTC
  package init(now: Int64, using generator: inout some RandomNumberGenerator) {
    let milliseconds = UInt64(truncatingIfNeeded: max(0, now) / 1000)
    high = milliseconds << 16 | 0x7000 | generator.next() & 0x0FFF
    low = 0x8000_0000_0000_0000 | generator.next() >> 2
  }

  /// All zero: stands for "none" in fixed-layout records.
  package static var none: Self { Self(high: 0, low: 0) }

  package static func < (left: Self, right: Self) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }
}

package enum AccountSubject {}
package enum TeamSubject {}
package enum KeySubject {}
package enum UpstreamSubject {}
package enum OfferSubject {}
package enum EdgeSubject {}
package enum ExchangeSubject {}
package enum LineageSubject {}

package typealias AccountID = Identifier<AccountSubject>
package typealias TeamID = Identifier<TeamSubject>
package typealias KeyID = Identifier<KeySubject>
package typealias UpstreamID = Identifier<UpstreamSubject>
package typealias OfferID = Identifier<OfferSubject>
package typealias EdgeID = Identifier<EdgeSubject>
package typealias ExchangeID = Identifier<ExchangeSubject>
package typealias LineageID = Identifier<LineageSubject>

// MARK: Text and bytes

extension Identifier: CustomStringConvertible, LosslessStringConvertible {
  /// The canonical form of 36 characters, lower case.
  package var description: String {
    String(unsafeUninitializedCapacity: 36) { space in
      write(into: UnsafeMutableRawBufferPointer(space))
      return 36
    }
  }

  /// Writes the canonical form into exactly 36 bytes.
  package func write(into space: UnsafeMutableRawBufferPointer) {
    var position = 0
    for index in 0..<16 {
      if index == 4 || index == 6 || index == 8 || index == 10 {
        space[position] = UInt8(ascii: "-")
        position += 1
      }
      let byte = byte(at: index)
      space[position] = hexDigit(byte >> 4)
      space[position + 1] = hexDigit(byte & 15)
      position += 2
    }
  }

  /// Accepts 32 hexadecimal digits with or without dashes.
  package init?(_ text: String) {
    var words: (UInt64, UInt64) = (0, 0)
    var digits = 0
    for character in text.utf8 where character != UInt8(ascii: "-") {
      guard digits < 32, let value = hexValue(character) else { return nil }
      if digits < 16 {
        words.0 = words.0 << 4 | UInt64(value)
      } else {
        words.1 = words.1 << 4 | UInt64(value)
      }
      digits += 1
    }
    guard digits == 32 else { return nil }
    self.init(high: words.0, low: words.1)
  }

  /// The 16 bytes in network order.
  package var bytes: [UInt8] { (0..<16).map(byte(at:)) }

  /// - Parameter bytes: exactly 16 bytes in network order
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 16 else { return nil }
    var words: (UInt64, UInt64) = (0, 0)
    for (index, byte) in bytes.enumerated() {
      if index < 8 { words.0 = words.0 << 8 | UInt64(byte) } else { words.1 = words.1 << 8 | UInt64(byte) }
    }
    self.init(high: words.0, low: words.1)
  }

  private func byte(at index: Int) -> UInt8 {
    let word = index < 8 ? high : low
    return UInt8(truncatingIfNeeded: word >> UInt64(8 * (7 - index % 8)))
  }
}

private func hexDigit(_ value: UInt8) -> UInt8 {
  value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}

private func hexValue(_ character: UInt8) -> UInt8? {
  switch character {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
  default: nil
  }
}
