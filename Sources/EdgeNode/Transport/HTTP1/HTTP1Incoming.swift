// Where a connection's reading of messages stands: the head under way, and how far the body behind it goes.

/// Both sessions hold it behind a pointer, because it changes with every message and nothing else of them sees it: the data
/// path pays for no exclusivity checks.
struct HTTP1Incoming: ~Copyable {
  private var parser: HTTP1HeadParser
  /// The head that was read last.
  private(set) var head: HTTP1Head
  private(set) var framing = HTTP1BodyReader.done

  init(_ kind: HTTP1MessageKind, _ limits: borrowing HTTP1Limits) {
    parser = HTTP1HeadParser(kind: kind, byteLimit: limits.headBytes)
    head = HTTP1Head(fieldLimit: limits.headerFields)
  }

  /// Looks for a head at the beginning of the bytes; see `HTTP1HeadParser`.
  mutating func readHead(_ bytes: UnsafeRawBufferPointer) -> HTTP1HeadStep {
    parser.parse(bytes, into: &head)
  }

  /// Nothing follows the head but another.
  mutating func passHead() { parser.reset() }

  /// What follows the head is its body.
  mutating func beginBody(_ limits: borrowing HTTP1Limits) {
    parser.reset()
    framing = HTTP1BodyReader(head.framing, limits)
  }

  /// See `HTTP1BodyReader`.
  mutating func readBody(
    _ bytes: UnsafeRawBufferPointer, _ position: inout Int, trailers: borrowing ByteQueue
  ) -> HTTP1BodyReader.Step {
    framing.next(bytes, &position, trailers: trailers)
  }
}
