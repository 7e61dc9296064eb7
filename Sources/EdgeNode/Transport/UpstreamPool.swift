// One worker's connections to one upstream: HTTP/2 connections that many exchanges share, HTTP/1.1 connections that one
// exchange holds at a time, and the streams that wait for either.

import CLinux
import Glibc
import StraitProtocol

package struct UpstreamLimits: Sendable {
  package var connectTimeoutMicroseconds: Int64 = 5_000_000
  package var idleTimeoutMicroseconds: Int64 = 60_000_000
  package var connections = 256
  package var waitingStreams = 2048
  package var addressLifetimeMicroseconds: Int64 = 30_000_000
  package var http1 = HTTP1Limits()
  package var http2 = HTTP2Limits()

  package init() {
    http2.concurrentStreams = 1024
    // What the upstream sends is bounded by its streams' windows.
    http2.connectionWindowBytes = 16 * 1024 * 1024
  }
}

enum UpstreamProtocolChoice: Sendable {
  case http1, http2, negotiated
}

/// Who made a pool, and does for it what is not of one upstream alone.
protocol UpstreamPoolOwner: AnyObject {
  /// Asks for the addresses of the pool's host; the answer comes through `resolved`.
  func resolve(_ pool: UpstreamPool)
  /// The pool was given an address that it does not connect to.
  func addressRefused(_ refusal: AddressRefusal, by pool: UpstreamPool)
  /// A connection was ended for what the upstream did.
  func upstreamCut(_ reason: ConnectionCut)
}

final class UpstreamPool: ConnectionOwner {
  private static let severalStreams = 4
  /// 2^64 over the golden ratio: what lies at like addresses comes to lie far apart.
  private static let spreadingFactor: UInt = 0x9E37_79B9_7F4A_7C15

  /// Unlike that of every other pool of the worker, also of those that serve the same upstream before and after it.
  let serial: UInt64
  let upstream: String
  /// The refusal that the log has already.
  var loggedRefusal: AddressRefusal?

  private let host: String
  private let port: UInt16
  private let choice: UpstreamProtocolChoice
  private let tls: TLSContext?
  private let network: UpstreamNetwork
  private let loop: EventLoop
  private let limits: UpstreamLimits
  private unowned let owner: any UpstreamPoolOwner
  /// The host's address where the host is no name.
  private let literal: SocketAddress?

  private let multiplexed = ObjectList<HTTP2ClientSession>()
  private let idle = ObjectList<HTTP1ClientSession>()
  private var connections = ContiguousArray<Connection>()
  /// Where each of them leads, in the same order.
  private var targets = ContiguousArray<SocketAddress>()
  private let waiting = ObjectList<RelayedStream>()
  /// Those that a connection has let down, or that cannot be sent twice: they wait for one that has not served before.
  private let waitingForFresh = ObjectList<RelayedStream>()
  /// Those that may be connected to. No other ever is: what is connected to is what was judged, and no name.
  private var addresses = [SocketAddress]()
  private var addressesExpireAt: Int64 = 0
  private var isResolving = false
  /// Connections under way.
  private var connecting = 0
  /// Of `addresses`: the one that worked, or the one after those that did not.
  private var current = 0
  /// Addresses that failed one after the other since one has worked.
  private var failures = 0
  private var isRetired = false
  /// What was negotiated last: where that is HTTP/1.1, each request needs a connection of its own.
  private var negotiatesHTTP1 = false
  private static let mostStreamsExpected = 100

  init(
    serial: UInt64, upstream: String, host: String, port: UInt16, choice: UpstreamProtocolChoice,
    tls: TLSContext?, network: UpstreamNetwork, loop: EventLoop, limits: UpstreamLimits,
    owner: any UpstreamPoolOwner
  ) {
    self.serial = serial
    self.upstream = upstream
    self.host = host
    self.port = port
    self.choice = choice
    self.tls = tls
    self.network = network
    self.loop = loop
    self.limits = limits
    self.owner = owner
    literal = SocketAddress(address: host, port: port)
  }

  var connectionCount: Int { connections.count }
  var waitingCount: Int { waiting.count + waitingForFresh.count }
  var idleCount: Int { idle.count + multiplexed.snapshot.count { $0.activeStreams == 0 } }

  // MARK: For the relay

  /// Starts the stream's request on a connection, now or when there is one.
  /// - Parameters:
  ///   - fresh: only on a connection that has not served before
  ///   - replayable: whether it may go where it can get lost, because an HTTP/1.1 upstream closes an idle connection
  func start(_ stream: RelayedStream, fresh: Bool, replayable: Bool) {
    if !fresh {
      if let session = chosen(for: stream) {
        session.start(stream)
        return
      }
      while replayable, let session = idle.popLast() {
        guard session.isReusable else { continue }
        session.start(stream)
        return
      }
    }
    guard waitingCount < limits.waitingStreams else {
      stream.upstreamFailed(.poolFull)
      return
    }
    if fresh || !replayable { waitingForFresh.append(stream) } else { waiting.append(stream) }
    connectIfNeeded()
  }

  /// The HTTP/2 connection for a stream. The streams of a client with several keep to one as long as there is room: what
  /// comes from the client in one piece then goes on in one, and so do the answers, which saves a record and two system
  /// calls for each. Those of all others share as few as they can, for the same reason.
  private func chosen(for stream: RelayedStream) -> HTTP2ClientSession? {
    guard multiplexed.count > 1, let client = stream.client, client.openStreams >= Self.severalStreams else {
      return lastWithRoom
    }
    let address = UInt(bitPattern: ObjectIdentifier(client))
    let own = multiplexed[Int((address &* Self.spreadingFactor) >> 32 % UInt(multiplexed.count))]
    if own.room > 0 { return own }
    if connecting == 0, connections.count < limits.connections, isCrowded, refreshAddresses() {
      _ = connect()
    }
    return lastWithRoom
  }

  private var lastWithRoom: HTTP2ClientSession? {
    var index = multiplexed.count - 1
    while index >= 0 {
      let session = multiplexed[index]
      if session.room > 0 { return session }
      index -= 1
    }
    return nil
  }

  /// More is taken than is free on all connections together, so that clients come to share where they need not.
  private var isCrowded: Bool {
    var balance = 0
    for session in multiplexed.snapshot { balance += session.activeStreams - session.room }
    return balance > 0
  }

  /// Forgets a stream that still waits.
  func abandon(_ stream: RelayedStream) {
    waiting.removeAll { $0 === stream }
    waitingForFresh.removeAll { $0 === stream }
  }

  /// The upstream is no longer configured so: what runs goes on, nothing new starts.
  func retire() {
    isRetired = true
    for session in multiplexed.snapshot { session.retire() }
    for session in idle.snapshot { session.retire() }
    idle.removeAll()
  }

  func sweep(now: Int64) {
    for connection in connections { connection.sweep(now: now) }
    for session in multiplexed.snapshot
    where session.activeStreams == 0 && now - session.idleSince > limits.idleTimeoutMicroseconds {
      session.retire()
    }
    while let oldest = idle.first, now - oldest.idleSince > limits.idleTimeoutMicroseconds {
      _ = idle.removeFirst()
      oldest.retire()
    }
  }

  // MARK: Addresses

  var hostToResolve: (host: String, port: UInt16) { (host, port) }

  func resolved(_ found: [SocketAddress]) {
    isResolving = false
    // With no answer, addresses that worked are better than none.
    if !found.isEmpty {
      take(found)
      addressesExpireAt = loop.now + limits.addressLifetimeMicroseconds
    }
    guard !addresses.isEmpty else {
      failWaiting(found.isEmpty ? .nameNotResolved : .addressRefused)
      return
    }
    connectIfNeeded()
  }

  private func take(_ found: [SocketAddress]) {
    let worked = current < addresses.count ? addresses[current] : nil
    addresses = found.filter { address in
      guard let refusal = AddressPolicy.refusal(of: address, on: network) else { return true }
      owner.addressRefused(refusal, by: self)
      return false
    }
    // What stood before it in the list did not work: it need not cost the next connection its time.
    current = addresses.firstIndex { $0 == worked } ?? 0
    if addresses.count == found.count { loggedRefusal = nil }
  }

  /// Looks the host up anew where it has not been for a while. What is known of it is good until the answer comes.
  /// - Returns: whether there is one to connect to
  private func refreshAddresses() -> Bool {
    if addresses.isEmpty || loop.now >= addressesExpireAt {
      if let literal {
        take([literal])
        addressesExpireAt = .max
      } else if !isResolving {
        isResolving = true
        owner.resolve(self)
      }
    }
    return !addresses.isEmpty
  }

  // MARK: Connections

  private func connectIfNeeded() {
    guard waitingCount > 0 else { return }
    guard refreshAddresses() else {
      if literal != nil { failWaiting(.addressRefused) }
      return
    }
    // One connection for each that waits where each needs its own; else one for as many as may share it.
    if !waitingForFresh.isEmpty, connections.count >= limits.connections, !idle.isEmpty {
      // One that has served makes room.
      idle.removeFirst().retire()
      return
    }
    let shared = streamsAConnection
    let wanted = (waitingCount + shared - 1) / shared
    while connecting < wanted, connections.count < limits.connections {
      guard connect() else { return }
    }
  }

  /// How many requests a new connection is likely to take at once.
  private var streamsAConnection: Int {
    if choice == .http1 || negotiatesHTTP1 { return 1 }
    let ours = min(Self.mostStreamsExpected, limits.http2.concurrentStreams)
    return max(1, min(ours, multiplexed.last?.mostStreams ?? .max))
  }

  /// To be called where there is an address.
  /// - Returns: false where the connection failed at once
  private func connect() -> Bool {
    let address = addresses[current]
    do {
      var session: TLSSession?
      if let tls {
        session = TLSSession(client: tls, serverName: host, protocols: alpn, loop: loop.buffers)
        if session == nil { throw SystemCallError("SSL_new", ENOMEM) }
      }
      let connection = try Connection(
        descriptor: try address.connect(), connecting: true, tls: session, loop: loop, owner: self,
        handshakeTimeoutMicroseconds: limits.connectTimeoutMicroseconds)
      connection.slot = connections.count
      connections.append(connection)
      targets.append(address)
      connecting += 1
      return true
    } catch {
      connectFailed(.connectFailed, at: address)
      return false
    }
  }

  private var alpn: StaticString {
    switch choice {
    case .http1: "\u{8}http/1.1"
    case .http2: "\u{2}h2"
    case .negotiated: "\u{2}h2\u{8}http/1.1"
    }
  }

  /// Every address is tried once before those who wait are told.
  private func connectFailed(_ failure: UpstreamFailure, at address: SocketAddress) {
    // Several may have been on their way to the same one.
    if current < addresses.count, addresses[current] == address {
      failures += 1
      current = (current + 1) % addresses.count
    }
    if failures >= addresses.count {
      if connecting > 0 { return }
      failures = 0
      addressesExpireAt = min(addressesExpireAt, addressesExpireAt == .max ? .max : loop.now)
      failWaiting(failure)
    } else {
      connectIfNeeded()
    }
  }

  private func failWaiting(_ failure: UpstreamFailure) {
    let failed = waiting.snapshot + waitingForFresh.snapshot
    waiting.removeAll()
    waitingForFresh.removeAll()
    for stream in failed { stream.upstreamFailed(failure) }
  }

  func connectionOpened(
    _ connection: Connection, negotiated: TLSSession.NegotiatedProtocol
  ) -> Session? {
    connecting -= 1
    failures = 0
    if let worked = addresses.firstIndex(of: targets[connection.slot]) { current = worked }
    // It was made for streams that have gone elsewhere meanwhile.
    if isRetired, waitingCount == 0 { return nil }
    let speaksHTTP2 = choice == .http2 || (choice == .negotiated && negotiated == .http2)
    negotiatesHTTP1 = choice == .negotiated && !speaksHTTP2
    guard speaksHTTP2 else {
      let session = HTTP1ClientSession(connection: connection, limits: limits.http1) { [unowned self] in
        becameIdle($0)
      }
      // The connection has no session before this call returns: its first stream starts when it is idle.
      if waitingForFresh.isEmpty {
        serveNext(on: session)
      } else {
        session.start(waitingForFresh.removeFirst())
      }
      connectIfNeeded()
      return session
    }
    guard
      let session = try? HTTP2ClientSession(
        connection: connection, limits: limits.http2, streamEnded: { [unowned self] in serveWaiting() })
    else { return nil }
    multiplexed.append(session)
    while session.room > 0, !waitingForFresh.isEmpty { session.start(waitingForFresh.removeFirst()) }
    serveWaiting()
    connectIfNeeded()
    return session
  }

  private func serveWaiting() {
    guard waitingCount > 0 else { return }
    for session in multiplexed.snapshot {
      // Where there cannot be another connection, one that has served is better than none.
      while connections.count >= limits.connections, session.room > 0, !waitingForFresh.isEmpty {
        session.start(waitingForFresh.removeFirst())
      }
      while session.room > 0, !waiting.isEmpty { session.start(waiting.removeFirst()) }
    }
    connectIfNeeded()
  }

  private func becameIdle(_ session: HTTP1ClientSession) {
    // Those that may not go where another has been need its place.
    let makesRoom = connecting < waitingForFresh.count && connections.count >= limits.connections
    if isRetired || makesRoom { session.retire() } else { serveNext(on: session) }
  }

  private func serveNext(on session: HTTP1ClientSession) {
    if waiting.isEmpty { idle.append(session) } else { session.start(waiting.removeFirst()) }
  }

  func connectionCut(_ connection: Connection, reason: ConnectionCut) { owner.upstreamCut(reason) }

  func connectionClosed(_ connection: Connection, reason: ConnectionEnd) {
    let target = targets[connection.slot]
    let last = connections.removeLast()
    let lastTarget = targets.removeLast()
    if connection.slot < connections.count {
      connections[connection.slot] = last
      targets[connection.slot] = lastTarget
      last.slot = connection.slot
    }
    multiplexed.removeAll { $0.connection === connection }
    idle.removeAll { $0.connection === connection }
    guard !connection.hasOpened else {
      connectIfNeeded()
      return
    }
    connecting -= 1
    switch reason {
    case .handshakeTimeout: connectFailed(.connectTimeout, at: target)
    case .handshakeFailed: connectFailed(.tlsFailed, at: target)
    default: connectFailed(.connectFailed, at: target)
    }
  }
}
