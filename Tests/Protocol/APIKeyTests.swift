import StraitProtocol
import TestSupport
import Testing

private func isWellFormed(_ text: [UInt8]) -> Bool {
  text.withUnsafeBytes { APIKey.isWellFormed($0) }
}

private let base62 = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

@Suite("A client's key")
struct APIKeyTests {
  @Test("has its form, and is accepted")
  func form() {
    var random = SeededGenerator()
    for _ in 0..<1000 {
      let (key, publicID) = APIKey.generate(using: &random)
      #expect(key.utf8.count == APIKey.length && APIKey.length == 72, "\(random)")
      #expect(key.hasPrefix("sk-strait-\(publicID)-"), "\(random)")
      #expect(key.dropFirst(23).utf8.allSatisfy(base62.contains), "\(random)")
      #expect(isWellFormed(Array(key.utf8)), "\(random), \(publicID)")
    }
  }

  @Test("is caught with any one character changed")
  func changed() {
    var random = SeededGenerator()
    let others = base62 + Array("-_ \n\u{0}\u{7F}".utf8) + [0x80, 0xFF]
    for _ in 0..<20 {
      let key = Array(APIKey.generate(using: &random).key.utf8)
      for index in key.indices {
        for other in others where other != key[index] {
          var changed = key
          changed[index] = other
          #expect(!isWellFormed(changed), "\(random), character \(index) to \(other)")
        }
      }
    }
  }

  @Test("is caught with two neighbours exchanged")
  func exchanged() {
    var random = SeededGenerator()
    for _ in 0..<200 {
      let key = Array(APIKey.generate(using: &random).key.utf8)
      for index in key.indices.dropLast() where key[index] != key[index + 1] {
        var changed = key
        changed.swapAt(index, index + 1)
        #expect(!isWellFormed(changed), "\(random), characters \(index) and \(index + 1)")
      }
    }
  }

  @Test("is caught when it is cut, at either end, or longer than it should be")
  func cut() {
    var random = SeededGenerator()
    let key = Array(APIKey.generate(using: &random).key.utf8)
    for count in 0..<key.count {
      #expect(!isWellFormed(Array(key.prefix(count))), "\(random)")
      #expect(!isWellFormed(Array(key.suffix(count))), "\(random)")
    }
    #expect(!isWellFormed(key + [UInt8(ascii: "0")]), "\(random)")
    #expect(!isWellFormed([UInt8(ascii: " ")] + key), "\(random)")
    #expect(!isWellFormed(key + key), "\(random)")
  }

  @Test("is another one each time")
  func distinct() {
    var random = SystemRandomNumberGenerator()
    #expect(Set((0..<5000).map { _ in APIKey.generate(using: &random).key }).count == 5000)
    #expect(Set((0..<5000).map { _ in APIKey.generate(using: &random).publicID }).count == 5000)
  }

  @Test("has a checksum that never changes, because keys outlive versions")
  func frozen() {
    // The CRC-32 of the first 66 bytes is 0xD1B987F0 by Python's zlib.crc32, in base 62 with 0-9A-Za-z.
    #expect(isWellFormed(Array(Self.knownKey.utf8)))
  }

  /// Not a key of anyone: its public id and its secret are the digits in order.
  private static let knownKey = "sk-strait-0123456789AB-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg3q7fqC"
}
