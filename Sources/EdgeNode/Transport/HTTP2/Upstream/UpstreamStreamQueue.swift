// Streams in the order in which they are served, each of which knows its neighbours: it leaves without a search.

struct UpstreamStreamQueue: BitwiseCopyable {
  private let kind: UpstreamStream.Queue
  private(set) var first: UpstreamStream.Pointer?
  private var last: UpstreamStream.Pointer?
  private(set) var count = 0

  init(_ kind: UpstreamStream.Queue) {
    self.kind = kind
  }

  @inline(__always)
  mutating func append(_ stream: UpstreamStream.Pointer) {
    stream.pointee.queue = kind
    stream.pointee.next = nil
    stream.pointee.previous = last
    if let last { last.pointee.next = stream } else { first = stream }
    last = stream
    count &+= 1
  }

  mutating func prepend(_ stream: UpstreamStream.Pointer) {
    stream.pointee.queue = kind
    stream.pointee.previous = nil
    stream.pointee.next = first
    if let first { first.pointee.previous = stream } else { last = stream }
    first = stream
    count &+= 1
  }

  /// The stream must be in this queue.
  @inline(__always)
  mutating func remove(_ stream: UpstreamStream.Pointer) {
    let (next, previous) = (stream.pointee.next, stream.pointee.previous)
    if let next { next.pointee.previous = previous } else { last = previous }
    if let previous { previous.pointee.next = next } else { first = next }
    stream.pointee.queue = .none
    count &-= 1
  }
}
