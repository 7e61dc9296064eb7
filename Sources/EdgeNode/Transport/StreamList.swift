// The streams of a client's connection, for the one moment when all must be told: the connection's end. Each stream knows
// its place, so that adding and removing cost the same however many there are.

struct StreamList: ~Copyable {
  private let streams = PooledList<Unmanaged<RelayedStream>>()

  var count: Int { streams.count }
  var isEmpty: Bool { streams.isEmpty }

  /// The stream must stay alive until it is removed.
  func add(_ stream: RelayedStream) {
    stream.clientSlot = streams.count
    streams.append(Unmanaged.passUnretained(stream))
  }

  func remove(_ stream: RelayedStream) {
    let index = stream.clientSlot
    guard index >= 0, index < streams.count else { return }
    if let moved = streams.remove(at: index) {
      moved._withUnsafeGuaranteedRef { $0.clientSlot = index }
    }
    stream.clientSlot = -1
  }

  var last: RelayedStream? { streams.last?.takeUnretainedValue() }
}
