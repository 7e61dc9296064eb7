// USD as people write and read them, to and from the integers that are stored. Exact both ways.

/// A price of tokens: USD per million as decimal text, micro-USD per million as a number.
package enum TokenPrice {
  /// `0.15` → 150,000. Refuses signs, exponents, separators, and anything finer than a micro-USD.
  package static func parse(_ text: String) throws(InvalidInput) -> Int64 {
    guard let match = text.wholeMatch(of: /([0-9]+)(?:\.([0-9]+))?/) else {
      throw InvalidInput("write USD per million tokens as a decimal number, for example 0.15")
    }
    let fraction = match.2.map(String.init) ?? ""
    // Zeros at the end say nothing: 0.1500000 is as exact as 0.15.
    let significant = fraction.reversed().drop { $0 == "0" }.count
    guard significant <= 6 else {
      throw InvalidInput("a price is exact to 0.000001 USD per million tokens; this one is finer")
    }
    let digits = match.1 + fraction.prefix(6) + String(repeating: "0", count: max(0, 6 - fraction.count))
    guard let price = Int64(digits) else { throw InvalidInput("the price is too large") }
    return price
  }

  /// 150,000 → `0.15`: every digit that counts, two decimals at least.
  package static func text(_ microUSD: Int64) -> String {
    var text = decimal(microUSD, places: 6)
    while text.hasSuffix("0"), text.suffix(3).first != "." { text.removeLast() }
    return text
  }
}

/// An amount in nano-USD as USD with all nine decimals, so that a column of them lines up and adds up.
package func dollars(nanoUSD: Int64) -> String {
  decimal(nanoUSD, places: 9)
}

private func decimal(_ amount: Int64, places: Int) -> String {
  let digits = String(amount.magnitude)
  let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
  return (amount < 0 ? "-" : "") + padded.dropLast(places) + "." + padded.suffix(places)
}
