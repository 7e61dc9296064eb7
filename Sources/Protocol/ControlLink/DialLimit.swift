// Ends a dial that nobody answers sooner than the transport would. Whoever wants to try the next address waits for the end
// of the dial that is under way.

import NIOCore

package enum DialLimit {
  /// For a transport's callback on new TCP connections, which comes before they are dialled.
  /// - Parameter seconds: until the other side has answered; what comes after the connection is there has limits of its
  ///   own
  package static func set(_ seconds: Double, on channel: any Channel) {
    let limit = channel.eventLoop.scheduleTask(in: .milliseconds(Int64(seconds * 1_000))) {
      if !channel.isActive { channel.close(promise: nil) }
    }
    channel.closeFuture.whenComplete { _ in limit.cancel() }
  }
}
