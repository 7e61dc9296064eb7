// One request and its answer as the transport sees them: the heads, the bytes on their way in each direction, and what
// the transport tells whoever relays. Sessions read and write the stored properties directly; the methods are events.

package class RelayedStream {
  // The client's side.

  /// The session that took the request; nil once the client's stream is over.
  package final var client: (any ClientSide)?
  /// What the session knows the stream by.
  package final var clientStreamID: Int32 = 0
  package final var request = HeaderBlock()
  /// The answer's head for the client; unchanged from the moment it is handed over.
  package final var answer = HeaderBlock()
  /// Bytes for the client that its session has not taken yet.
  package final var answerBody = ByteQueue()
  /// Nothing follows what is in `answerBody`.
  package final var answerEnded = false
  /// The client's session has found `answerBody` empty and waits for `wake`.
  package final var clientWaits = false
  /// The request's head is complete: fields that come later are trailers.
  package final var requestHeadDone = false
  /// The head was larger than the limits; the fields beyond are not kept.
  package final var requestHeadTooLarge = false
  /// Where the session keeps it in its list.
  package final var clientSlot = -1

  // The upstream's side.

  package final var upstream: (any UpstreamSide)?
  package final var upstreamStreamID: Int32 = 0
  /// The head for the upstream.
  package final var forwarded = HeaderBlock()
  /// The body for the upstream, whole; sent from `forwardedOffset` on.
  package final var forwardedBody = ByteQueue()
  package final var forwardedOffset = 0
  /// The upstream's head as it came.
  package final var upstreamHead = HeaderBlock()
  /// The answer's final head is complete: fields that come later are trailers.
  package final var upstreamHeadDone = false
  package final var upstreamEnded = false
  package final var upstreamSlot = -1

  package init() {}

  // MARK: What the client's session reports

  package func requestHeadReceived(endsRequest: Bool) { preconditionFailure("overridden") }
  /// Called while the session parses: copies what it needs and calls no session.
  package func requestBodyReceived(_ bytes: UnsafeRawBufferPointer) { preconditionFailure("overridden") }
  /// Bytes have come since the last call; sessions may be called again.
  package func requestBodyProgressed() { preconditionFailure("overridden") }
  package func requestEndReceived() { preconditionFailure("overridden") }
  /// The session has taken bytes of the answer.
  package func answerTaken(_ count: Int) { preconditionFailure("overridden") }
  /// The answer's last bytes are about to go to the kernel.
  package func answerFinishing() { preconditionFailure("overridden") }
  /// The client's stream is over: answered in full, reset, or gone with its connection.
  package func clientClosed() { preconditionFailure("overridden") }

  // MARK: What the upstream's session reports

  /// The request has the upstream's connection; from here on it may have been acted upon.
  package func upstreamStarted(on session: any UpstreamSide) { preconditionFailure("overridden") }
  package func upstreamHeadReceived(status: Int, endsAnswer: Bool) { preconditionFailure("overridden") }
  /// Called while the session parses: copies what it needs and calls no session.
  package func upstreamBodyReceived(_ bytes: UnsafeRawBufferPointer) { preconditionFailure("overridden") }
  package func upstreamBodyProgressed() { preconditionFailure("overridden") }
  package func upstreamEndReceived() { preconditionFailure("overridden") }
  /// The upstream's stream is over in order; its session has let go of it.
  package func upstreamClosed() { preconditionFailure("overridden") }
  /// The upstream's stream broke before its end.
  package func upstreamFailed(_ failure: UpstreamFailure) { preconditionFailure("overridden") }
}

/// Why an attempt ended without a whole answer.
package enum UpstreamFailure {
  case nameNotResolved
  case connectFailed
  case connectTimeout
  case tlsFailed
  /// The connection had served before and closed without a byte of this answer: another connection may do.
  case staleConnection
  /// The stream or its connection closed.
  case closed
  case reset
  case malformed
  case poolFull
}

/// What a relay asks of the session that holds the client's stream.
package protocol ClientSide: AnyObject {
  /// Sends `stream.answer`.
  func sendHead(_ stream: RelayedStream, ends: Bool)
  /// There are new bytes in `stream.answerBody`, or `stream.answerEnded` was set.
  func wake(_ stream: RelayedStream)
  /// Breaks the answer off so that the client cannot take it for whole.
  func abort(_ stream: RelayedStream)
  /// The answer is whole although the request is not: the client need not send the rest.
  func stopRequest(_ stream: RelayedStream)
  /// The relay has taken `count` bytes of the request's body: the client may send as many more.
  func credit(_ stream: RelayedStream, _ count: Int)
  var clientProtocol: ClientProtocolVersion { get }
  var connectionMemory: ConnectionMemory { get }
}

package enum ClientProtocolVersion {
  case http1, http2
}

/// What the relay remembers with a client's connection; the transport only keeps it.
package class ConnectionMemory {
  package init() {}
}

/// What a relay asks of the session that holds the upstream's stream.
package protocol UpstreamSide: AnyObject {
  /// The relay has passed on `count` bytes of the answer: the upstream may send as many more.
  func credit(_ stream: RelayedStream, _ count: Int)
  /// The relay wants no more of the answer. No event follows.
  func cancel(_ stream: RelayedStream)
}
