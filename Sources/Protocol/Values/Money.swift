// Money in integers: amounts are nano-USD, prices micro-USD per million tokens.

/// An amount of money in nano-USD (1 USD = 1,000,000,000).
package struct NanoUSD: Sendable, Hashable, Comparable, BitwiseCopyable {
  package var amount: Int64

  package init(_ amount: Int64) {
    self.amount = amount
  }

  package static func < (left: Self, right: Self) -> Bool { left.amount < right.amount }
}

/// What one offer charges, in micro-USD per million tokens of each kind.
package struct TokenPrices: Sendable, Hashable {
  package var input: Int64
  package var cachedInput: Int64
  package var cacheWrite: Int64
  package var output: Int64

  package init(input: Int64, cachedInput: Int64, cacheWrite: Int64, output: Int64) {
    self.input = input
    self.cachedInput = cachedInput
    self.cacheWrite = cacheWrite
    self.output = output
  }

  /// The cost of one record, rounded half to even once.
  ///
  /// tokens × micro-USD per million tokens = 10⁻¹² USD; a nano-USD is 1,000 of those.
  /// Counts and prices beyond what Int64 money can hold saturate: a bill that large is stopped elsewhere.
  package func cost(of tokens: TokenCounts) -> NanoUSD {
    let (special, overflow) = tokens.cachedInput.addingReportingOverflow(tokens.cacheWrite)
    let plain = !overflow && tokens.input >= special ? tokens.input - special : 0
    var pico: Int128 = 0
    // One product always fits, but four of them may not: counts come from upstreams and must not end the process.
    func add(_ count: UInt64, at price: Int64) {
      let (sum, overflow) = pico.addingReportingOverflow(Int128(count) * Int128(price))
      pico = overflow ? .max : sum
    }
    add(plain, at: input)
    add(tokens.cachedInput, at: cachedInput)
    add(tokens.cacheWrite, at: cacheWrite)
    add(tokens.output, at: output)
    let (quotient, remainder) = pico.quotientAndRemainder(dividingBy: 1000)
    var nano = quotient
    if remainder > 500 || (remainder == 500 && quotient % 2 != 0) { nano += 1 }
    return NanoUSD(Int64(clamping: nano))
  }
}
