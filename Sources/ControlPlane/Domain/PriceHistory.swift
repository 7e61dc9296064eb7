// What an offer cost when.

import StraitProtocol

/// The prices of one offer, each valid until the next begins.
package struct PriceHistory: Sendable, Equatable {
  private var entries: [(validFrom: Moment, prices: TokenPrices)] = []

  package init() {}

  /// - Parameter validFrom: later than that of every entry before
  package mutating func append(_ prices: TokenPrices, validFrom: Moment) {
    entries.append((validFrom, prices))
  }

  /// The price at a moment. Before the first price that is the first: an edge's clock may be behind, and what an offer
  /// served was never free.
  package func prices(at moment: Moment) -> TokenPrices? {
    (entries.last { $0.validFrom <= moment } ?? entries.first)?.prices
  }

  /// What it costs from the last change on.
  package var newest: TokenPrices? { entries.last?.prices }

  package static func == (left: PriceHistory, right: PriceHistory) -> Bool {
    left.entries.elementsEqual(right.entries) { $0 == $1 }
  }
}
