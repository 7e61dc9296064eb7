// One core's share of the edge: a loop, its listener, its clients, its exchanges and its connections to upstreams.
// Nothing in it is shared; other threads talk to it through its `WorkerHandle`.

import CLinux
import Glibc
import StraitProtocol
import Synchronization

final class Worker: RequestReceiver, ConnectionOwner, UpstreamPoolOwner {
  /// A client that comes while the edge drains has this long to begin its request.
  static let drainGraceMicroseconds: Int64 = 1_000_000
  /// Takes a tenth of a millisecond or so.
  private static let exchangesReviewedATurn = 256

  let loop: EventLoop
  let handle: WorkerHandle
  let counters: Counters
  let settings: EdgeSettings
  let sink: any UsageSink
  let edgeName: [UInt8]
  let limits: RelayLimits
  private(set) var policy: PolicyTables
  /// The policy's own, a copy: to ask the policy would cost a reference.
  private(set) var catalogue: Revision
  /// Keys and teams that are refused whatever the policy says. The table keeps the memory that the lookup reads.
  private(set) var revoked: RevocationLookup
  private var revocations: RevocationTable
  /// When the control plane last said that this edge is in step, by the loop's clock.
  var lastWordAt = Int64.min
  /// Behind a pointer, because every exchange takes from it.
  let random = placeInPool(FastRandom())
  let heldRequests: HeldShare
  let heldAnswers: HeldShare

  /// Memory is short: requests are refused.
  var refusesRequests = false

  /// Much was given up at once: the allocator is to give it back.
  var trimsMemory = false

  let holdings: Holdings
  /// When this worker may look again whose clients make it hold what it holds; `.min` while that is of no interest.
  var nextLookAtHoldings = Int64.min

  private let resolver: Resolver
  let accessLog: AccessLog?
  let gate: ConnectionGate
  let overload: Overload
  /// The look at the memory in use that this worker has given back its share for.
  var relievedLook: UInt64 = 0
  /// Does what one worker does for all.
  var isFirst: Bool { index == 0 }
  let index: Int
  private(set) var tls: TLSContext
  var listeners = [Listener]()
  private var handoverOffer: HandoverOffer?
  /// The process that had the sockets before goes on serving until this one can.
  var waitsForPolicy = false
  private var admin: AdminPort?
  private var pools = [UpstreamID: (entry: UpstreamEntry, pool: UpstreamPool)]()
  /// In the order of the policy's upstreams.
  private var poolsByIndex = ContiguousArray<UpstreamPool>()
  private var retiredPools = [UpstreamPool]()
  private var poolsMade: UInt64 = 0
  private let logAddressRefused: @Sendable (_ upstream: String, AddressRefusal) -> Void
  var clients = ClientList()
  var turnedAwayClients = TurnedAway()
  let exchanges = ExchangeList()
  /// So many, from the first, may still run under a key that is no longer good.
  private var exchangesToReview = 0
  private(set) var drainsAt: Int64?
  private var stopsAt: Int64 = .max

  init(
    settings: EdgeSettings, handle: WorkerHandle, tls: TLSContext, policy: PolicyTables,
    revocations: RevocationTable, sink: any UsageSink, shared: SharedParts, index: Int
  ) throws {
    self.settings = settings
    limits = settings.limits
    self.handle = handle
    self.tls = tls
    self.policy = policy
    catalogue = policy.catalogueRevision
    self.revocations = revocations
    revoked = revocations.lookup
    self.sink = sink
    resolver = shared.resolver
    logAddressRefused = shared.logAddressRefused
    accessLog = shared.accessLog
    gate = shared.gate
    overload = shared.overload
    heldRequests = HeldShare(shared.heldRequests)
    heldAnswers = HeldShare(shared.heldAnswers)
    self.index = index
    holdings = shared.holdings
    counters = handle.counters
    edgeName = Array(settings.edgeName.utf8)
    loop = try EventLoop(waker: handle.waker)
    adopt(policy)
    loop.onWake = { [unowned self] in
      for job in handle.takeJobs() { job(self) }
    }
    loop.onTurn = { [unowned self] in
      handle.timings.turn.observe($0)
      handle.timings.longestTurn.observe($0, now: loop.now)
      // Who reads may be on the way with its bulk.
      if heldAnswers.isOver, !loop.hasBulk || heldAnswers.isFarOver { resetUnread() }
      if !turnedAwayClients.isEmpty { turnedAwayClients.reset(now: loop.now) }
    }
    loop.onSweep = { [unowned self] in sweep() }
    waitsForPolicy = shared.sockets.wereTakenOver && policy.version == 0
    for socket in shared.sockets.share(index, of: settings.workers) {
      let listener = try Listener(
        descriptor: socket, loop: loop, exhausted: { [unowned self] in descriptorsExhausted() },
        turnedAway: { [unowned self] in turnedAway(.tooManyConnections) },
        closeSocket: { [sockets = shared.sockets] in sockets.close($0) },
        accepted: { [unowned self] in accept($0, from: $1) })
      listeners.append(listener)
      listener.hold(waitsForPolicy)
    }
    if isFirst { handoverOffer = shared.sockets.offer(on: loop) }
  }

  deinit {
    takeOutOfPool(random)
  }

  func run() {
    loop.run()
  }

  /// Serves the edge's admin port from this worker's loop.
  func serveAdmin(_ address: SocketAddress, _ facts: AdminFacts) throws {
    admin = try AdminPort(address: address, facts: facts, loop: loop)
  }

  // MARK: Configuration

  /// Takes on a new configuration. Exchanges under way end with the one they began with.
  func adopt(_ tables: PolicyTables) {
    policy = tables
    catalogue = tables.catalogueRevision
    if tables.version > 0 { waitsForPolicy = false }
    var next = [UpstreamID: (entry: UpstreamEntry, pool: UpstreamPool)]()
    for entry in tables.upstreams {
      if let known = pools[entry.id], known.entry.sharesConnections(with: entry) {
        pools[entry.id] = nil
        next[entry.id] = (entry, known.pool)
      } else {
        next[entry.id] = (entry, makePool(entry))
      }
    }
    // Those that are gone, and those that others have taken the place of.
    for (_, old) in pools {
      old.pool.retire()
      retiredPools.append(old.pool)
    }
    pools = next
    poolsByIndex = ContiguousArray(tables.upstreams.compactMap { next[$0.id]?.pool })
    endRevoked()
  }

  /// Whether the caller's team is not served by a configuration as old as this one may be.
  func isTooStale(for caller: Caller) -> Bool {
    caller.stalenessLimitSeconds > 0
      && lastWordAt < loop.now - Int64(caller.stalenessLimitSeconds) * 1_000_000
  }

  /// Takes on what is refused from now on, and breaks off what runs under it.
  func adopt(_ table: RevocationTable) {
    revoked = table.lookup
    revocations = table
    endRevoked()
  }

  /// Breaks off what runs under keys that the new configuration does not know, or that were revoked ahead of it: some
  /// exchanges a turn, because thousands of streams may run and the others must not wait. What begins meanwhile is asked
  /// for its key by what is in force.
  private func endRevoked() {
    guard exchangesToReview == 0 else { return exchangesToReview = exchanges.count }
    exchangesToReview = exchanges.count
    reviewExchanges()
  }

  /// From the end: who leaves the list has the last take its place, and that has been looked at or is new.
  private func reviewExchanges() {
    let end = max(0, exchangesToReview - Self.exchangesReviewedATurn)
    while exchangesToReview > end {
      exchangesToReview -= 1
      guard exchangesToReview < exchanges.count else { continue }
      let exchange = exchanges[exchangesToReview]
      guard let caller = exchange.caller,
        revoked.refuses(caller) || policy.caller(caller.digest, now: 0) == nil
      else { continue }
      exchange.revoke()
    }
    if exchangesToReview > 0 { handle.post { $0.reviewExchanges() } }
  }

  /// - Parameter index: the upstream's place in the tables, by which the pool is found without hashing
  func pool(_ upstream: UpstreamEntry, at index: Int, in tables: PolicyTables) -> UpstreamPool? {
    if tables === policy { return poolsByIndex[index] }
    // A credential goes to the origin that it was given for, and to no other that the upstream has come to have.
    guard let known = pools[upstream.id], known.entry.sharesConnections(with: upstream) else { return nil }
    return known.pool
  }

  private func makePool(_ entry: UpstreamEntry) -> UpstreamPool {
    let choice: UpstreamProtocolChoice =
      switch entry.protocolChoice {
      case .http2: .http2
      case .negotiated: .negotiated
      default: .http1
      }
    poolsMade += 1
    return UpstreamPool(
      serial: poolsMade, upstream: entry.name, host: entry.origin.host, port: entry.origin.port,
      choice: choice, tls: entry.tls, network: entry.network, loop: loop, limits: limits.upstream,
      owner: self)
  }

  /// Serves new connections with another certificate; those that stand keep theirs.
  func use(_ tls: TLSContext) {
    self.tls = tls
  }

  // MARK: What pools ask for

  func resolve(_ pool: UpstreamPool) {
    let (host, port) = pool.hostToResolve
    resolver.resolve(host, port: port) { [handle, serial = pool.serial] addresses in
      handle.post { $0.pool(serial)?.resolved(addresses) }
    }
  }

  /// The pool that asked, which another may have replaced: the addresses are those of its own host.
  private func pool(_ serial: UInt64) -> UpstreamPool? {
    pools.values.first { $0.pool.serial == serial }?.pool ?? retiredPools.first { $0.serial == serial }
  }

  func addressRefused(_ refusal: AddressRefusal, by pool: UpstreamPool) {
    counters.add(addressRefusal: refusal)
    guard pool.loggedRefusal != refusal else { return }
    pool.loggedRefusal = refusal
    logAddressRefused(pool.upstream, refusal)
  }

  func upstreamCut(_ reason: ConnectionCut) {
    counters.add(upstreamCut: reason)
  }

  // MARK: Exchanges

  func makeStream(on client: any ClientSide) -> RelayedStream? {
    let exchange = Exchange(worker: self)
    exchanges.add(exchange)
    counters.set(.exchangesActive, exchanges.count)
    return exchange
  }

  func forget(_ exchange: Exchange) {
    guard let reference = exchanges.remove(exchange) else { return }
    // Where many leave at once their memory goes a little later; live ones must not suffer for it.
    exchange.giveRoomBack()
    loop.keepUntilTurnEnds(retained: reference)
    counters.set(.exchangesActive, exchanges.count)
  }

  // MARK: Time

  private func sweep() {
    let now = loop.now
    handle.timings.longestTurn.age(now: now)
    // From the end, because what is looked at may leave the list, and the last takes its place.
    for index in stride(from: exchanges.count - 1, through: 0, by: -1) where index < exchanges.count {
      exchanges[index].sweep(now: now)
    }
    sweepClients(now)
    turnedAwayClients.reset(now: now)
    relieve(now)
    for listener in listeners { listener.sweep() }
    for (_, known) in pools { known.pool.sweep(now: now) }
    for pool in retiredPools { pool.sweep(now: now) }
    retiredPools.removeAll { $0.connectionCount == 0 && $0.waitingCount == 0 }
    admin?.sweep(now: now)
    counters.set(.upstreamConnections, pools.values.reduce(0) { $0 + $1.pool.connectionCount })
    let states = pools.values.map { known in
      PoolState(
        upstream: known.entry.name, connections: known.pool.connectionCount, idle: known.pool.idleCount,
        waiting: known.pool.waitingCount)
    }
    handle.pools.withLock { $0 = states }
    continueDrain(now)
  }

  // MARK: Ending

  /// Takes no more clients but those who wait already, lets exchanges end within the window, then stops the loop.
  func drain(windowMicroseconds: Int64) {
    guard drainsAt == nil else { return }
    drainsAt = loop.now
    stopsAt = loop.now + windowMicroseconds
    handoverOffer?.close()
    for listener in listeners {
      listener.acceptWaiting()
      listener.close()
    }
    for index in 0..<clients.count { drain(index) }
  }

  /// A client that has come just now is about to ask for something: it gets its one answer.
  private func drain(_ index: Int) {
    let client = clients.clients[index]
    let session = client.connection.session
    let isNew = loop.now - client.acceptedAt < Self.drainGraceMicroseconds && session?.isIdle != false
    guard client.connection.isOpen, !isNew else {
      (session as? HTTP1ServerSession)?.closeAfterNextAnswer()
      clients.setRetirement(index, at: loop.now + Self.drainGraceMicroseconds)
      return
    }
    drain(client.connection)
  }

  private func continueDrain(_ now: Int64) {
    guard drainsAt != nil else { return }
    if exchanges.isEmpty && clients.isEmpty || now >= stopsAt { finish() }
  }

  private func finish() {
    for exchange in exchanges.all where exchange.outcome == nil { exchange.outcome = .edgeStopped }
    for client in Array(clients.clients) { client.connection.close() }
    turnedAwayClients.resetAll()
    admin?.close()
    loop.stop()
  }
}
