// Who may connect. Workers share one gate, because the kernel spreads the connections of an address over all of them:
// a share of the limit for each would be wrong both ways. It is asked once a connection, not on the hot path.

import Synchronization

/// What one address may do.
package struct AddressLimits: Sendable {
  package let open: Int
  package let newPerSecond: Int
  /// Connections that may be ended for an offence within `offenceWindowMicroseconds`.
  package let offences: Int
  package let offenceWindowMicroseconds: Int64

  package init(open: Int, newPerSecond: Int, offences: Int, offenceWindowMicroseconds: Int64) {
    self.open = open
    self.newPerSecond = newPerSecond
    self.offences = offences
    self.offenceWindowMicroseconds = offenceWindowMicroseconds
  }
}

/// What is known of the addresses that have connections, had some in the last second, or have offended.
package struct AddressLedger {
  private struct Entry {
    var open = 0
    /// When the next one may come at a steady pace; a second's worth may come ahead of it.
    var nextAt: Int64 = 0
    /// When all offences will be forgiven, one after the other.
    var forgivenAt: Int64 = 0
  }

  private let openLimit: Int
  private let interval: Int64
  private let burst: Int64
  private let offenceWindow: Int64
  private let offenceInterval: Int64
  private var entries = [ClientAddress: Entry]()
  private var pruneAt = 64

  package init(_ limits: AddressLimits) {
    openLimit = limits.open
    interval = 1_000_000 / Int64(limits.newPerSecond)
    burst = interval * Int64(limits.newPerSecond - 1)
    offenceInterval = max(1, limits.offenceWindowMicroseconds / Int64(limits.offences))
    offenceWindow = offenceInterval * Int64(limits.offences)
  }

  package var addresses: Int { entries.count }

  /// - Parameter now: monotonic microseconds
  /// - Returns: why not; nil when it is in, and is to `leave`
  package mutating func admit(_ address: ClientAddress, now: Int64) -> ConnectionCut? {
    if entries.count >= pruneAt { prune(now) }
    var entry = entries[address] ?? Entry()
    if entry.open >= openLimit { return .addressConnections }
    if entry.nextAt > now + burst { return .addressRate }
    // Where half of what is tolerated has been done, each further connection counts as an offence ahead: otherwise many
    // that come in together would do harm before the first of them is found out.
    if entry.forgivenAt > now + offenceWindow / 2 {
      guard entry.forgivenAt + offenceInterval <= now + offenceWindow else { return .addressOffences }
      entry.forgivenAt += offenceInterval
    }
    entry.nextAt = max(entry.nextAt, now) + interval
    entry.open += 1
    entries[address] = entry
    return nil
  }

  /// A connection of the address is ended for an offence. Many clients can share an address, so that none is shut out
  /// for longer than it takes to forgive one; from then on it may come as fast as offences are forgiven.
  package mutating func offend(_ address: ClientAddress, now: Int64) {
    guard var entry = entries[address] else { return }
    entry.forgivenAt = min(max(entry.forgivenAt, now) + offenceInterval, now + offenceWindow)
    entries[address] = entry
  }

  package mutating func leave(_ address: ClientAddress) {
    entries[address]?.open -= 1
  }

  /// Forgets those of whom nothing needs to be known. What is left doubles before the next time, so that each costs a
  /// fixed share.
  private mutating func prune(_ now: Int64) {
    entries = entries.filter { $0.value.open > 0 || max($0.value.nextAt, $0.value.forgivenAt) > now }
    pruneAt = max(64, 2 * entries.count)
  }
}

package final class ConnectionGate: Sendable {
  private final class Shard: Sendable {
    let ledger: Mutex<AddressLedger>

    init(_ ledger: AddressLedger) {
      self.ledger = Mutex(ledger)
    }
  }

  private static let shardCount = 16

  /// For how long nobody is let in after the last descriptor was taken. Whichever worker gets the next one that is free,
  /// it is needed for those who are served, and for turning the others away.
  private static let exhaustionMicroseconds: Int64 = 250_000

  private let limit: Int
  private let exhaustedUntil = Atomic<Int64>(.min)
  private let open = Atomic<Int>(0)
  private let shards: [Shard]

  /// - Parameter limit: connections that may be open, of the whole process
  package init(limit: Int, perAddress: AddressLimits) {
    self.limit = limit
    shards = (0..<Self.shardCount).map { _ in Shard(AddressLedger(perAddress)) }
  }

  /// The process has no descriptor left.
  package func noteExhausted(now: Int64) {
    exhaustedUntil.store(now + Self.exhaustionMicroseconds, ordering: .relaxed)
  }

  /// - Returns: why not; nil when it is in, and is to `leave`
  package func admit(_ address: ClientAddress, now: Int64) -> ConnectionCut? {
    guard now >= exhaustedUntil.load(ordering: .relaxed) else { return .tooManyConnections }
    guard open.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
      open.wrappingSubtract(1, ordering: .relaxed)
      return .tooManyConnections
    }
    let refusal = shard(address).ledger.withLock { $0.admit(address, now: now) }
    if refusal != nil { open.wrappingSubtract(1, ordering: .relaxed) }
    return refusal
  }

  package func offend(_ address: ClientAddress, now: Int64) {
    shard(address).ledger.withLock { $0.offend(address, now: now) }
  }

  package func leave(_ address: ClientAddress) {
    open.wrappingSubtract(1, ordering: .relaxed)
    shard(address).ledger.withLock { $0.leave(address) }
  }

  private func shard(_ address: ClientAddress) -> Shard {
    shards[Int(UInt(bitPattern: address.hashValue) % UInt(Self.shardCount))]
  }
}
