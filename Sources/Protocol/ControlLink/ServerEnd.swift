// Ends a server without the transport's trap: a connection that it has accepted and not taken up is dropped when the
// serving task is cancelled, or when its listener closes at that moment, and the transport takes the process down for it.

package import GRPCCore
import NIOCore

extension GRPCServer {
  /// Serves until the task is cancelled, and then ends in order. Its listener must have `ListenerEnd` set.
  package func serveUntilCancelled() async throws {
    let serving = Task { try await self.serve() }
    try await withTaskCancellationHandler {
      try await serving.value
    } onCancel: {
      beginGracefulShutdown()
    }
  }
}

package enum ListenerEnd {
  /// For a transport's callback on its listener, which comes before anything is accepted.
  /// - Parameter graceSeconds: from the end of listening to that of connections that have not ended by then
  package static func set(graceSeconds: Double, on listener: any Channel) -> EventLoopFuture<Void> {
    listener.eventLoop.submit {
      let handler = AcceptedConnections(grace: .milliseconds(Int64(graceSeconds * 1_000)))
      try listener.pipeline.syncOperations.addHandler(handler)
    }
  }
}

/// Holds a listener's close back until everything that it has accepted was handed over to whoever serves it.
private final class AcceptedConnections: ChannelDuplexHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel
  typealias OutboundIn = Never
  typealias OutboundOut = Never

  private let grace: TimeAmount
  private var open: [ObjectIdentifier: any Channel] = [:]
  private var notHandedOver: Set<ObjectIdentifier> = []
  private var closed: EventLoopPromise<Void>?
  private var isClosing = false

  init(grace: TimeAmount) { self.grace = grace }

  /// By now the handlers are there that hand over; what comes by behind them has been.
  func channelActive(context: ChannelHandlerContext) {
    let end = HandedOver { [loop = context.eventLoop] connection in
      // After the rest of what hands it over has run.
      loop.assumeIsolated().execute { self.handedOver(connection, context) }
    }
    do {
      try context.pipeline.syncOperations.addHandler(end, position: .last)
    } catch {
      context.fireErrorCaught(error)
    }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let connection = unwrapInboundIn(data)
    open[ObjectIdentifier(connection)] = connection
    notHandedOver.insert(ObjectIdentifier(connection))
    connection.closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
      self.open[ObjectIdentifier(connection)] = nil
      self.handedOver(connection, context)
    }
    context.fireChannelRead(data)
  }

  func read(context: ChannelHandlerContext) {
    if closed == nil { context.read() }
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    let isFirst = closed == nil
    let closed = closed ?? context.eventLoop.makePromise()
    self.closed = closed
    closed.futureResult.cascade(to: promise)
    guard isFirst else { return }
    context.eventLoop.assumeIsolated().scheduleTask(in: grace) {
      self.notHandedOver = []
      self.closeUnlessHeldBack(context)
      for connection in self.open.values { connection.close(promise: nil) }
    }
    closeUnlessHeldBack(context)
  }

  private func handedOver(_ connection: any Channel, _ context: ChannelHandlerContext) {
    notHandedOver.remove(ObjectIdentifier(connection))
    closeUnlessHeldBack(context)
  }

  private func closeUnlessHeldBack(_ context: ChannelHandlerContext) {
    guard let closed, notHandedOver.isEmpty, !isClosing else { return }
    isClosing = true
    context.close(promise: closed)
  }
}

/// At the end of a listener's pipeline.
private final class HandedOver: ChannelInboundHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel

  private let tell: (any Channel) -> Void

  init(_ tell: @escaping (any Channel) -> Void) { self.tell = tell }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    tell(unwrapInboundIn(data))
    context.fireChannelRead(data)
  }
}
