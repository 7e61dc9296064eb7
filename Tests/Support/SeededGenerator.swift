// Random tests that can be run again: the seed is printed, and STRAIT_TEST_SEED brings it back.

import Foundation

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers from the same seed on every machine.
package struct SeededGenerator: RandomNumberGenerator, CustomStringConvertible {
  package let seed: UInt64
  private var state: UInt64

  package init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  /// A generator with a seed of its own, or with the one that the environment names.
  /// - Parameter test: printed beside the seed
  package init(for test: String = #function) {
    let named = ProcessInfo.processInfo.environment["STRAIT_TEST_SEED"].flatMap(UInt64.init)
    self.init(seed: named ?? .random(in: 0 ... .max))
    print("\(test): STRAIT_TEST_SEED=\(seed)")
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  package var description: String { "STRAIT_TEST_SEED=\(seed)" }
}
