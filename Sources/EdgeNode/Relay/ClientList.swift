// The clients of one worker: each connection with what the worker needs to know of it beside the connection itself.

struct Client {
  let connection: Connection
  let address: ClientAddress
  let acceptedAt: Int64
  /// When the client is asked to come again on another connection.
  var retiresAt: Int64
}

struct ClientList {
  /// Looked at in one sweep at the least.
  private static let sweepFloor = 1024
  /// Otherwise so many sweeps go round once.
  private static let sweepsARound = 4

  private(set) var clients = ContiguousArray<Client>()
  private var cursor = 0

  var count: Int { clients.count }
  var isEmpty: Bool { clients.isEmpty }

  mutating func add(_ client: Client) {
    client.connection.slot = clients.count
    clients.append(client)
  }

  func address(of connection: Connection) -> ClientAddress? {
    clients.indices.contains(connection.slot) ? clients[connection.slot].address : nil
  }

  /// - Returns: what was known of the connection's client
  mutating func remove(_ connection: Connection) -> Client? {
    let index = connection.slot
    guard index >= 0, index < clients.count else { return nil }
    let removed = clients[index]
    let last = clients.removeLast()
    if index < clients.count {
      clients[index] = last
      last.connection.slot = index
    }
    connection.slot = -1
    return removed
  }

  mutating func setRetirement(_ index: Int, at time: Int64) {
    clients[index].retiresAt = time
  }

  /// The places to look at in this sweep, from the last to the first, because what is looked at may leave the list and
  /// the last takes its place. Many connections are looked at in turns; one that moves may miss a turn.
  mutating func nextSweep() -> StrideThrough<Int> {
    let share = max(Self.sweepFloor, clients.count / Self.sweepsARound)
    if cursor <= 0 || cursor > clients.count { cursor = clients.count }
    let first = max(0, cursor - share)
    let places = stride(from: cursor - 1, through: first, by: -1)
    cursor = first
    return places
  }
}
