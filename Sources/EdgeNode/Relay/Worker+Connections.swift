// A worker's clients, from the door to their end: who is let in, what is spoken with them, and what they are ended for.

import CLinux
import StraitProtocol

extension Worker {
  func accept(_ descriptor: Int32, from address: ClientAddress) {
    if let reason = gate.admit(address, now: loop.now) {
      turnedAway(reason)
      if !turnedAwayClients.keep(descriptor, reason, now: loop.now) { strait_reset(descriptor) }
      return
    }
    guard let session = TLSSession(server: tls, loop: loop.buffers) else {
      gate.leave(address)
      strait_reset(descriptor)
      turnedAway(.memory)
      return
    }
    do {
      let connection = try Connection(
        descriptor: descriptor, connecting: false, tls: session, loop: loop, owner: self,
        handshakeTimeoutMicroseconds: limits.handshakeMicroseconds)
      connection.slowReader = slowReader
      connection.tlsMessages = EventBudget(limits.keyUpdatesPerMinute, per: 60_000_000)
      clients.add(
        Client(connection: connection, address: address, acceptedAt: loop.now, retiresAt: retirement()))
      counters.add(.connectionsAccepted)
      counters.set(.connectionsOpen, clients.count)
    } catch {
      // It has closed its socket itself.
      gate.leave(address)
      turnedAway(.memory)
    }
  }

  func descriptorsExhausted() {
    gate.noteExhausted(now: loop.now)
    turnedAwayClients.resetAll()
  }

  func turnedAway(_ reason: ConnectionCut) {
    counters.add(.connectionsRefused)
    counters.add(cut: reason)
  }

  /// When a connection made now has reached its age. Who comes during a drain gets one answer.
  private func retirement() -> Int64 {
    if drainsAt != nil { return loop.now + Self.drainGraceMicroseconds }
    let age = limits.connectionAgeMicroseconds
    return loop.now + age + Int64.random(in: -age / 5...age / 5, using: &random.pointee)
  }

  func connectionOpened(_ connection: Connection, negotiated: TLSSession.NegotiatedProtocol) -> Session? {
    guard let address = clients.address(of: connection) else { return nil }
    let memory = ClientMemory(address: address)
    counters.add(.handshakes)
    if connection.resumedTLS { counters.add(.handshakesResumed) }
    if negotiated == .http2 {
      return try? HTTP2ServerSession(
        connection: connection, limits: limits.http2, idleTimeoutMicroseconds: limits.idleMicroseconds,
        drainMicroseconds: limits.drainMicroseconds, memory: memory, receiver: self)
    }
    return HTTP1ServerSession(
      connection: connection, limits: limits.http1, idleTimeoutMicroseconds: limits.idleMicroseconds,
      memory: memory, receiver: self)
  }

  func connectionClosed(_ connection: Connection, reason: ConnectionEnd) {
    if !connection.hasOpened { counters.add(.handshakesFailed) }
    switch reason {
    case .handshakeTimeout: counters.add(cut: .handshakeTimeout)
    case .handshakeFailed: counters.add(cut: .handshakeFailed)
    case .connectFailed, .peerClosed, .failed, .closedHere, .cut: break
    }
    if let client = clients.remove(connection) { gate.leave(client.address) }
    counters.set(.connectionsOpen, clients.count)
  }

  func sweepClients(_ now: Int64) {
    for index in clients.nextSweep() where index < clients.count {
      let client = clients.clients[index]
      if now >= client.retiresAt, client.connection.isOpen {
        clients.setRetirement(index, at: .max)
        retire(client.connection)
      }
      client.connection.sweep(now: now)
    }
  }

  /// Asks a client to come again on another connection.
  private func retire(_ connection: Connection) {
    guard drainsAt == nil else { return drain(connection) }
    counters.add(cut: .connectionAge)
    (connection.session as? HTTP2ServerSession)?.drain()
    (connection.session as? HTTP1ServerSession)?.closeAfterNextAnswer()
  }

  func drain(_ connection: Connection) {
    (connection.session as? HTTP2ServerSession)?.drain()
    (connection.session as? HTTP1ServerSession)?.drain()
  }

  var slowReader: SlowReaderLimit {
    SlowReaderLimit(
      silenceMicroseconds: limits.slowReaderMicroseconds, floorBytes: limits.http2.slowReaderFloorBytes,
      floorMicroseconds: limits.http2.slowReaderFloorMicroseconds)
  }

  func connectionCut(_ connection: Connection, reason: ConnectionCut) {
    counters.add(cut: reason)
    if reason.isOffence, let address = clients.address(of: connection) { noteOffence(of: address) }
  }

  /// A request that could not be read has had its answer, and its connection ends.
  func requestRefused(_ connection: Connection, status: Int) {
    counters.add(status: status)
    switch status {
    case 400, 505: connectionCut(connection, reason: .protocolError)
    // Large heads are no breach of the protocol, and cost no more than their limit.
    case 431: counters.add(outcome: EdgeFault.headTooLarge.counterIndex)
    // Whoever refused it has said why.
    default: break
    }
  }

  func noteOffence(of address: ClientAddress) {
    gate.offend(address, now: loop.now)
  }
}
