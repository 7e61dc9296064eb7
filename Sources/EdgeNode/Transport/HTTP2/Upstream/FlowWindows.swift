// How much may be on its way (RFC 9113, sections 5.2 and 6.9).

/// What a peer takes from us.
package struct SendWindow: BitwiseCopyable {
  package static let most = 0x7FFF_FFFF
  /// Below zero where the peer has taken back what was used already.
  package private(set) var bytes: Int

  package init(_ bytes: Int) {
    self.bytes = bytes
  }

  /// The peer opens it, or a change of its settings moves it.
  /// - Returns: false where that is more than there can be
  package mutating func move(by count: Int) -> Bool {
    guard bytes + count <= Self.most else { return false }
    bytes += count
    return true
  }

  package mutating func sent(_ count: Int) { bytes &-= count }
}

/// What we take from a peer.
package struct ReceiveWindow: BitwiseCopyable {
  private let size: Int
  /// Received, and the peer has not been told that it may send as much again.
  private var used = 0
  /// Of `used`: what may be told.
  private var taken = 0

  package init(_ size: Int) {
    self.size = size
  }

  /// - Returns: false where the peer may not send so much
  package mutating func received(_ count: Int) -> Bool {
    used &+= count
    return used <= size
  }

  /// Bytes have gone on, so that the peer may send as many more.
  /// - Returns: the increment to tell the peer; 0 as long as it is less than half of the window
  package mutating func take(_ count: Int) -> Int {
    taken = min(taken &+ count, used)
    guard taken >= max(1, size / 2) else { return 0 }
    let increment = taken
    used &-= increment
    taken = 0
    return increment
  }
}
