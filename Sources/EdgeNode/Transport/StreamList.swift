// The streams of one connection, for the one moment when all must be told: the connection's end. Each stream knows its
// place, so that adding and removing cost the same however many there are.

struct StreamList: ~Copyable {
  private let streams = PooledList<Unmanaged<RelayedStream>>()
  private let isUpstream: Bool

  init(upstream: Bool) {
    isUpstream = upstream
  }

  var count: Int { streams.count }
  var isEmpty: Bool { streams.isEmpty }

  /// The stream must stay alive until it is removed.
  func add(_ stream: RelayedStream) {
    setSlot(stream, streams.count)
    streams.append(Unmanaged.passUnretained(stream))
  }

  func remove(_ stream: RelayedStream) {
    let index = isUpstream ? stream.upstreamSlot : stream.clientSlot
    guard index >= 0, index < streams.count else { return }
    if let moved = streams.remove(at: index) {
      moved._withUnsafeGuaranteedRef { setSlot($0, index) }
    }
    setSlot(stream, -1)
  }

  var last: RelayedStream? { streams.last?.takeUnretainedValue() }

  private func setSlot(_ stream: RelayedStream, _ index: Int) {
    if isUpstream { stream.upstreamSlot = index } else { stream.clientSlot = index }
  }
}
