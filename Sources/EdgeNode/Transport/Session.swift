// What stands on either side of a connection: the session that speaks over it, and the owner that made it.

/// What speaks a protocol over a connection. All calls come from the loop's thread.
class Session {
  init() {}

  /// Bytes from the peer. They are the loop's: what is needed later must be copied.
  func receive(_ bytes: UnsafeRawBufferPointer) { preconditionFailure("a session receives") }

  /// The peer will send no more.
  /// - Parameter inOrder: it has said so, and not only ended its connection
  func receiveEnd(inOrder: Bool) { preconditionFailure("a session is told of the peer's end") }

  /// Puts bytes for the peer into `space` and says how many; 0 when there is nothing to send now.
  func produce(into space: UnsafeMutableRawBufferPointer) -> Int {
    preconditionFailure("a session produces")
  }

  /// The connection is gone; nothing more can be received or sent.
  func connectionClosed() { preconditionFailure("a session is told of the connection's end") }

  /// Looks at limits on time.
  func sweep(now: Int64) {}

  /// Nothing is under way on it.
  var isIdle: Bool { false }

  /// It has put bytes aside that it has received, because acting on all of them at once would take long.
  var hasUnread: Bool { false }

  /// Goes on with what was put aside.
  func receiveUnread() {}

  /// How much it takes at once.
  var receivesAtMost: Int { LoopBuffers.size }
}

/// Who made a connection, and wants to know what becomes of it.
protocol ConnectionOwner: AnyObject {
  /// The transport is ready; what is to be spoken on it?
  func connectionOpened(_ connection: Connection, negotiated: TLSSession.NegotiatedProtocol) -> Session?
  /// The connection is to end for what the peer did or did not do; its last words may still be on the way.
  func connectionCut(_ connection: Connection, reason: ConnectionCut)
  /// Called once, after the session has been told.
  func connectionClosed(_ connection: Connection, reason: ConnectionEnd)
}

enum ConnectionEnd {
  case connectFailed
  case handshakeFailed
  case handshakeTimeout
  case peerClosed
  case failed
  case closedHere
  /// Ended by a limit.
  case cut(ConnectionCut)
}
