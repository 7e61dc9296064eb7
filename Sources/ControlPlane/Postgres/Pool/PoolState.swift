// Who gets which connection next: the pool's decisions, apart from connections and tasks.

/// What one has who is given a slot.
package enum PoolTurn<Resource: Sendable>: Sendable {
  case use(Resource)
  /// The slot is the taker's, who opens a connection or gives the slot back.
  case open
}

/// `Resource` is a connection, `Waiter` a task that waits for one.
///
/// Every slot is free, lent (which includes being opened) or idle. Waiters exist only while no slot is free or idle, so
/// nobody overtakes them.
package struct PoolState<Resource: Sendable, Waiter: Sendable>: Sendable {
  package enum Answer: Sendable {
    case take(PoolTurn<Resource>)
    case wait
    case refuse(PostgresError)
  }

  private let maximumResources: Int
  private let maximumWaiters: Int
  private var idle: [Resource] = []
  private var lentCount = 0
  private var waiters: [(id: UInt64, waiter: Waiter)] = []
  private var isClosed = false

  package init(maximumResources: Int, maximumWaiters: Int) {
    self.maximumResources = maximumResources
    self.maximumWaiters = maximumWaiters
  }

  package var waiterCount: Int { waiters.count }

  /// Asks for a slot. After `.wait` the caller adds itself with `enqueue`.
  package mutating func ask() -> Answer {
    if isClosed { return .refuse(PostgresError(.poolExhausted, "the connection pool is closed")) }
    if let last = idle.popLast() {
      lentCount += 1
      return .take(.use(last))
    }
    if lentCount < maximumResources {
      lentCount += 1
      return .take(.open)
    }
    guard waiters.count < maximumWaiters else {
      return .refuse(
        PostgresError(
          .poolExhausted,
          "\(maximumResources) connections are in use and \(maximumWaiters) tasks wait for one"))
    }
    return .wait
  }

  package mutating func enqueue(_ waiter: Waiter, id: UInt64) { waiters.append((id, waiter)) }

  /// A waiter that gave up; nil when it has had its turn.
  package mutating func abandon(id: UInt64) -> Waiter? {
    guard let index = waiters.firstIndex(where: { $0.id == id }) else { return nil }
    return waiters.remove(at: index).waiter
  }

  package enum Return: Sendable {
    case hand(Waiter, PoolTurn<Resource>)
    case discard(Resource)
    case nothing
  }

  /// Gives a slot back.
  /// - Parameter resource: the connection where it can be used again, nil where there is none
  package mutating func giveBack(_ resource: Resource?) -> Return {
    precondition(lentCount > 0, "a slot was given back twice")
    if !waiters.isEmpty {
      // The slot stays lent: it changes hands.
      return .hand(waiters.removeFirst().waiter, resource.map(PoolTurn.use) ?? .open)
    }
    lentCount -= 1
    guard let resource else { return .nothing }
    if isClosed { return .discard(resource) }
    idle.append(resource)
    return .nothing
  }

  /// Refuses all further asking; who waits is refused, who has a connection may finish.
  package mutating func close() -> (waiters: [Waiter], idle: [Resource]) {
    isClosed = true
    defer {
      waiters = []
      idle = []
    }
    return (waiters.map(\.waiter), idle)
  }
}
