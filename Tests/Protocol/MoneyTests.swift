import StraitProtocol
import TestSupport
import Testing

private func tokens(
  input: UInt64 = 0, cachedInput: UInt64 = 0, cacheWrite: UInt64 = 0, output: UInt64 = 0
) -> TokenCounts {
  var counts = TokenCounts()
  counts.input = input
  counts.cachedInput = cachedInput
  counts.cacheWrite = cacheWrite
  counts.output = output
  return counts
}

/// Only input is charged.
private func inputPrice(_ price: Int64) -> TokenPrices {
  TokenPrices(input: price, cachedInput: 0, cacheWrite: 0, output: 0)
}

@Suite("The cost of an exchange")
struct MoneyTests {
  @Test("is tokens times price")
  func plain() {
    // 0.15 USD per million in, 0.60 USD per million out: 120 × 150,000 + 33 × 600,000 = 37,800,000 × 10⁻¹² USD,
    // which is 37,800 nano-USD.
    let prices = TokenPrices(input: 150_000, cachedInput: 75_000, cacheWrite: 187_500, output: 600_000)
    #expect(prices.cost(of: tokens(input: 120, output: 33)) == NanoUSD(37_800))
    // A million of each kind that is charged by itself costs its price: 0.15 USD = 150,000,000 nano-USD.
    #expect(prices.cost(of: tokens(input: 1_000_000)) == NanoUSD(150_000_000))
    #expect(prices.cost(of: tokens(output: 1_000_000)) == NanoUSD(600_000_000))
    #expect(prices.cost(of: tokens()) == NanoUSD(0))
  }

  @Test("charges cached and cache-written tokens at their own price and the rest of the input at its own")
  func cached() {
    let prices = TokenPrices(input: 150_000, cachedInput: 75_000, cacheWrite: 187_500, output: 600_000)
    // Of 1,000 input tokens 400 were read from a cache and 100 written to one, so 500 are plain:
    // 500 × 150,000 + 400 × 75,000 + 100 × 187,500 = 75,000,000 + 30,000,000 + 18,750,000 = 123,750,000 → 123,750 nano.
    #expect(prices.cost(of: tokens(input: 1000, cachedInput: 400, cacheWrite: 100)) == NanoUSD(123_750))
    // All of it cached: 1,000 × 75,000 = 75,000,000 → 75,000 nano.
    #expect(prices.cost(of: tokens(input: 1000, cachedInput: 1000)) == NanoUSD(75_000))
  }

  @Test(
    "never charges less than nothing for the rest of the input when the parts are said to be more than the whole"
  )
  func partsBeyondTheWhole() {
    let prices = TokenPrices(input: 150_000, cachedInput: 75_000, cacheWrite: 187_500, output: 0)
    // 10 input tokens of which 20 were cached: nothing plain, 20 × 75,000 = 1,500,000 → 1,500 nano.
    #expect(prices.cost(of: tokens(input: 10, cachedInput: 20)) == NanoUSD(1500))
  }

  @Test(
    "is rounded half to even",
    arguments: [
      // One token at a price of p costs p ÷ 1,000 nano-USD.
      (499, 0), (500, 0), (501, 1), (999, 1), (1000, 1), (1499, 1), (1500, 2), (1501, 2), (2499, 2),
      (2500, 2),
      (2501, 3), (3500, 4), (4500, 4), (5500, 6),
    ])
  func halfToEven(price: Int64, expected: Int64) {
    #expect(inputPrice(price).cost(of: tokens(input: 1)) == NanoUSD(expected))
  }

  @Test("is rounded once, after the kinds are added up")
  func roundedOnce() {
    // 0.4 nano in and 0.4 nano out are 0.8 → 1; rounded apart they would be 0 + 0.
    let prices = TokenPrices(input: 400, cachedInput: 0, cacheWrite: 0, output: 400)
    #expect(prices.cost(of: tokens(input: 1, output: 1)) == NanoUSD(1))
    // 0.5 in and 0.5 out are exactly 1; rounded apart they would be 0 + 0 as well.
    let halves = TokenPrices(input: 500, cachedInput: 0, cacheWrite: 0, output: 500)
    #expect(halves.cost(of: tokens(input: 1, output: 1)) == NanoUSD(1))
  }

  @Test("saturates instead of trapping, whatever counts an upstream sends")
  func saturation() {
    let dear = TokenPrices(input: .max, cachedInput: .max, cacheWrite: .max, output: .max)
    #expect(dear.cost(of: tokens(input: .max)) == NanoUSD(.max))
    #expect(dear.cost(of: tokens(input: .max, output: .max)) == NanoUSD(.max))
    #expect(
      dear.cost(of: tokens(input: .max, cachedInput: .max, cacheWrite: .max, output: .max)) == NanoUSD(.max))
    // The control: the largest bill that fits. 9,223,372,036,854,775,807 nano = that × 1,000 ÷ 1,000.
    #expect(inputPrice(1000).cost(of: tokens(input: UInt64(Int64.max))) == NanoUSD(.max))
    #expect(inputPrice(1000).cost(of: tokens(input: UInt64(Int64.max) - 1)) == NanoUSD(.max - 1))
  }

  @Test("takes no plain input from counts of parts that overflow together")
  func overflowingParts() {
    // Cached and cache-written tokens are together far more than the input, so none of it is plain.
    let counts = tokens(input: 5, cachedInput: .max, cacheWrite: 2)
    #expect(inputPrice(1000).cost(of: counts) == NanoUSD(0))
  }

  @Test("never falls when a count of output or plain input rises")
  func monotonic() {
    var random = SeededGenerator()
    for _ in 0..<2000 {
      let prices = TokenPrices(
        input: .random(in: 0...100_000_000, using: &random), cachedInput: 0, cacheWrite: 0,
        output: .random(in: 0...100_000_000, using: &random))
      let input = UInt64.random(in: 0...10_000_000, using: &random)
      let output = UInt64.random(in: 0...10_000_000, using: &random)
      let cost = prices.cost(of: tokens(input: input, output: output))
      #expect(cost <= prices.cost(of: tokens(input: input + 1, output: output)), "\(random)")
      #expect(cost <= prices.cost(of: tokens(input: input, output: output + 1)), "\(random)")
    }
  }
}
