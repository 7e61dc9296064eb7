// The streams of one connection, for the one moment when all must be told: the connection's end. Each stream knows its
// place, so that adding and removing cost the same however many there are.

struct StreamList {
  private var streams = ContiguousArray<Unmanaged<RelayedStream>>()
  private let isUpstream: Bool

  init(upstream: Bool) {
    isUpstream = upstream
  }

  var count: Int { streams.count }
  var isEmpty: Bool { streams.isEmpty }

  /// The stream must stay alive until it is removed.
  mutating func add(_ stream: RelayedStream) {
    setSlot(stream, streams.count)
    streams.append(Unmanaged.passUnretained(stream))
  }

  mutating func remove(_ stream: RelayedStream) {
    let index = isUpstream ? stream.upstreamSlot : stream.clientSlot
    guard index >= 0, index < streams.count else { return }
    let last = streams.removeLast()
    if index < streams.count {
      streams[index] = last
      last._withUnsafeGuaranteedRef { setSlot($0, index) }
    }
    setSlot(stream, -1)
  }

  var last: RelayedStream? { streams.last?.takeUnretainedValue() }

  private func setSlot(_ stream: RelayedStream, _ index: Int) {
    if isUpstream { stream.upstreamSlot = index } else { stream.clientSlot = index }
  }
}
