// Ends a connection of the control link on which nothing has come for too long. Keepalive makes sure that something
// comes: it asks for a sign of life, and the transport then takes its leave of a silent peer in good order, for which it
// waits once more. A peer that is gone takes no leave.

import NIOCore

package enum SilenceLimit {
  /// For a transport's callback on new TCP connections. Nearest to the socket, so that closing waits for nobody.
  /// - Parameter seconds: more than keepalive lets pass before it asks
  package static func set(_ seconds: Int, on channel: any Channel) -> EventLoopFuture<Void> {
    channel.eventLoop.submit {
      let handlers: [any ChannelHandler] = [
        IdleStateHandler(readTimeout: .seconds(Int64(seconds))), SilenceHandler(),
      ]
      try channel.pipeline.syncOperations.addHandlers(handlers, position: .first)
    }
  }
}

private final class SilenceHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case .read = event as? IdleStateHandler.IdleStateEvent else {
      return context.fireUserInboundEventTriggered(event)
    }
    context.close(promise: nil)
  }
}
