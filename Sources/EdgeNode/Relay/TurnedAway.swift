// Clients that were turned away for their address, and are told so a moment later: whoever tries again as soon as it was
// refused costs the edge an accept and a reset each time, and would do so thousands of times a second. Nothing is read
// of them, and beyond a number the next are told at once.

import CLinux

package struct TurnedAway {
  private static let capacity = 256
  private static let delayMicroseconds: Int64 = 250_000
  /// Told in one turn, so that others are not kept waiting.
  private static let resetsPerTurn = 8

  private struct Client {
    let descriptor: Int32
    let dueAt: Int64
  }

  /// A ring, the oldest at `first`.
  private var clients = ContiguousArray(repeating: Client(descriptor: -1, dueAt: 0), count: Self.capacity)
  private var first = 0
  private var count = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }

  /// - Returns: whether the socket was taken over
  package mutating func keep(_ descriptor: Int32, _ reason: ConnectionCut, now: Int64) -> Bool {
    // Where the whole edge is full, a descriptor is dearer than the work.
    guard reason != .tooManyConnections, count < Self.capacity else { return false }
    clients[(first + count) % Self.capacity] = Client(
      descriptor: descriptor, dueAt: now + Self.delayMicroseconds)
    count += 1
    return true
  }

  /// Tells those whose time has come.
  package mutating func reset(now: Int64) {
    var rest = Self.resetsPerTurn
    while rest > 0, count > 0, clients[first].dueAt <= now {
      resetFirst()
      rest -= 1
    }
  }

  package mutating func resetAll() {
    while count > 0 { resetFirst() }
  }

  private mutating func resetFirst() {
    strait_reset(clients[first].descriptor)
    first = (first + 1) % Self.capacity
    count -= 1
  }
}
