// Whose clients make the process hold what it holds. Each worker tells it of its own exchanges, and only while there is
// little room: on a request's way nothing of this is kept.

import Synchronization

package struct Holding: Equatable, Sendable {
  package var requestBytes = 0
  package var answerBytes = 0

  package init(requestBytes: Int = 0, answerBytes: Int = 0) {
    self.requestBytes = requestBytes
    self.answerBytes = answerBytes
  }

  static func + (left: Holding, right: Holding) -> Holding {
    Holding(
      requestBytes: left.requestBytes + right.requestBytes, answerBytes: left.answerBytes + right.answerBytes)
  }

  static func - (left: Holding, right: Holding) -> Holding {
    Holding(
      requestBytes: left.requestBytes - right.requestBytes, answerBytes: left.answerBytes - right.answerBytes)
  }
}

/// What the exchanges of one address hold in one worker.
package struct HoldingAccount {
  private var all = Holding()
  private var largest = Holding()

  package init() {}

  package mutating func add(_ held: Holding) {
    all = all + held
    largest.requestBytes = max(largest.requestBytes, held.requestBytes)
    largest.answerBytes = max(largest.answerBytes, held.answerBytes)
  }

  /// Without the largest: whoever has one large exchange after the other hoards nothing, whenever workers look.
  package var besideLargest: Holding { all - largest }
}

package final class Holdings: Sendable {
  private let toldByWorkers: Mutex<[[ClientAddress: Holding]]>
  /// What an address may make the process hold without being to blame for a shortage.
  private let share: Holding

  package init(workers: Int, share: Holding) {
    toldByWorkers = Mutex(Array(repeating: [:], count: workers))
    self.share = share
  }

  /// What a worker's exchanges hold now, each address's but for its largest there, instead of what it told before.
  package func tell(_ held: [ClientAddress: Holding], worker: Int) {
    toldByWorkers.withLock { $0[worker] = held }
  }

  /// Whether the address holds more than its share, in all workers together.
  /// - Parameter own: what the exchange holds itself that is refused room: one large request is no hoard
  package func isHoarder(_ address: ClientAddress, beside own: Holding) -> Bool {
    let all = toldByWorkers.withLock { told in
      told.reduce(Holding()) { $0 + ($1[address] ?? Holding()) }
    }
    let others = all - own
    return others.requestBytes > share.requestBytes || others.answerBytes > share.answerBytes
  }
}

extension Worker {
  /// A look goes through all exchanges.
  private static let lookIntervalMicroseconds: Int64 = 100_000

  /// The exchange is refused room, or loses what it had. That is an offence of its client's address where this itself
  /// holds more than its share, once for each connection; anybody else has only met a full edge.
  func noteShortage(of exchange: Exchange) {
    guard let client = exchange.clientMemory, !client.isHoarder else { return }
    lookAtHoldings()
    guard holdings.isHoarder(client.address, beside: exchange.holding) else { return }
    client.isHoarder = true
    counters.add(cut: .hoarding)
    noteOffence(of: client.address)
  }

  /// Tells all workers what this one's clients hold.
  func lookAtHoldings() {
    guard loop.now >= nextLookAtHoldings else { return }
    nextLookAtHoldings = loop.now + Self.lookIntervalMicroseconds
    var accounts = [ClientAddress: HoldingAccount]()
    for exchange in exchanges.all where exchange.reservedBytes + exchange.countedAnswer > 0 {
      guard let address = exchange.clientMemory?.address else { continue }
      accounts[address, default: HoldingAccount()].add(exchange.holding)
    }
    holdings.tell(accounts.mapValues(\.besideLargest), worker: index)
  }

  /// There is room again.
  func forgetHoldings() {
    guard nextLookAtHoldings != .min else { return }
    nextLookAtHoldings = .min
    holdings.tell([:], worker: index)
  }
}
