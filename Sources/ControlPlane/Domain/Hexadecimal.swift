// Bytes as hexadecimal digits, for files that people may have to copy.

package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef")
  return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}

/// - Returns: nothing for an odd number of digits or for anything that is no digit
package func hexadecimalBytes(_ text: String) -> [UInt8]? {
  var bytes: [UInt8] = []
  var high: Int?
  for character in text {
    guard character.isASCII, let digit = character.hexDigitValue else { return nil }
    if let first = high {
      bytes.append(UInt8(first << 4 | digit))
      high = nil
    } else {
      high = digit
    }
  }
  return high == nil ? bytes : nil
}
