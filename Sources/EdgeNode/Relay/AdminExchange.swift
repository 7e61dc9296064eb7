// The edge's own small face for operators: health, readiness, metrics. Plain HTTP/1.1 on a port of its own, on loopback
// unless told otherwise; it never leads to an upstream.

import Glibc
import StraitProtocol

/// What the admin port tells; asked for on a worker's thread.
struct AdminFacts: Sendable {
  /// A configuration is in force, so requests can be served. Says nothing of the control plane.
  var isReady: @Sendable () -> Bool
  /// Prometheus text.
  var metrics: @Sendable () -> String

  init(isReady: @escaping @Sendable () -> Bool, metrics: @escaping @Sendable () -> String) {
    self.isReady = isReady
    self.metrics = metrics
  }
}

final class AdminExchange: RelayedStream {
  private let facts: AdminFacts
  private unowned let port: AdminPort

  init(facts: AdminFacts, port: AdminPort) {
    self.facts = facts
    self.port = port
    super.init()
  }

  override func requestHeadReceived(endsRequest: Bool) {
    guard let method = request.value(.method), method.equals("GET") || method.equals("HEAD") else {
      return send(405, "text/plain", "this path takes GET\n")
    }
    guard let path = request.value(.path) else { return send(400, "text/plain", "no path\n") }
    if path.equals("/healthz") {
      send(200, "text/plain", "ok\n")
    } else if path.equals("/readyz") {
      if facts.isReady() {
        send(200, "text/plain", "ready\n")
      } else {
        send(503, "text/plain", "not ready: no configuration yet\n")
      }
    } else if path.equals("/metrics") {
      send(200, "text/plain; version=0.0.4", facts.metrics())
    } else {
      send(404, "text/plain", "there are /healthz, /readyz and /metrics\n")
    }
  }

  override func requestBodyReceived(_ bytes: UnsafeRawBufferPointer) {}
  override func requestBodyProgressed() {}
  override func requestEndReceived() {}
  override func answerTaken(_ count: Int) {}
  override func answerFinishing() {}
  override func clientClosed() { port.forget(self) }

  private func send(_ status: Int, _ type: StaticString, _ text: String) {
    answer.append(.status, ":status", number: status)
    answer.append(.contentType, "content-type", type)
    answerBody.append(string: text)
    answer.append(.contentLength, "content-length", number: answerBody.count)
    answerEnded = true
    client?.sendHead(self, ends: false)
  }
}

/// The admin port of an edge, served by one worker's loop.
final class AdminPort: RequestReceiver, ConnectionOwner {
  private static let connectionLimit = 64

  private let loop: EventLoop
  private let facts: AdminFacts
  private var listener: Listener?
  private var connections = ContiguousArray<Connection>()
  private var exchanges = ContiguousArray<AdminExchange>()

  init(address: SocketAddress, facts: AdminFacts, loop: EventLoop) throws {
    self.loop = loop
    self.facts = facts
    listener = try Listener(
      descriptor: try address.listen(), loop: loop, exhausted: {}, turnedAway: {},
      closeSocket: { Glibc.close($0) },
      accepted: { [unowned self] descriptor, _ in accept(descriptor) })
  }

  func sweep(now: Int64) {
    listener?.sweep()
    for connection in Array(connections) { connection.sweep(now: now) }
  }

  func close() {
    listener?.close()
    for connection in Array(connections) { connection.close() }
  }

  private func accept(_ descriptor: Int32) {
    guard connections.count < Self.connectionLimit else {
      Glibc.close(descriptor)
      return
    }
    // A connection that could not be registered has closed its socket itself.
    guard
      let connection = try? Connection(
        descriptor: descriptor, connecting: false, tls: nil, loop: loop, owner: self,
        handshakeTimeoutMicroseconds: 10_000_000)
    else { return }
    connections.append(connection)
  }

  func connectionOpened(_ connection: Connection, negotiated: TLSSession.NegotiatedProtocol) -> Session? {
    HTTP1ServerSession(
      connection: connection, limits: HTTP1Limits(), idleTimeoutMicroseconds: 60_000_000,
      memory: ConnectionMemory(),
      receiver: self)
  }

  func connectionClosed(_ connection: Connection, reason: ConnectionEnd) {
    connections.removeAll { $0 === connection }
  }

  func makeStream(on client: any ClientSide) -> RelayedStream? {
    let exchange = AdminExchange(facts: facts, port: self)
    exchanges.append(exchange)
    return exchange
  }

  func connectionCut(_ connection: Connection, reason: ConnectionCut) {}
  func requestRefused(_ connection: Connection, status: Int) {}

  func forget(_ exchange: AdminExchange) {
    loop.keepUntilTurnEnds(exchange)
    exchanges.removeAll { $0 === exchange }
  }
}
