// One socket with or without TLS, and the session that speaks over it. It moves bytes; it knows no HTTP.

import CLinux
import Glibc

final class Connection: EventSource {
  private enum Phase {
    /// Can transition to: handshaking, open, closed.
    case connecting
    /// Can transition to: open, closed.
    case handshaking
    /// Can transition to: closing, closed.
    case open
    /// What is queued is sent, then nothing more. Can transition to: lingering, closed.
    case closing
    /// All is said. What the peer still sends is thrown away for a while: closing at once would make the kernel send a
    /// reset, which can overtake our last words. Can transition to: closed.
    case lingering
    case closed
  }

  /// How long, and for how many bytes, the peer may go on talking when all is said.
  private static let lingerMicroseconds: Int64 = 2_000_000
  private static let lingerBytes = 1024 * 1024
  /// How long the last words may take to a peer whose connection is cut, or of whom nothing is expected while it reads.
  private static let closingMicroseconds: Int64 = 10_000_000
  /// The same for one that is held to a pace of reading meanwhile: the last words may be the end of its answer.
  private static let pacedClosingMicroseconds: Int64 = 3_600_000_000

  /// How often a session is asked for bytes before other connections have their turn. One that has given half a buffer
  /// is asked again only when those with less to say have said it.
  private static let flushesAtOnce = 4
  private static let promptBytes = LoopBuffers.size / 2

  /// What waits until the others have been served.
  private struct Bulk: OptionSet {
    let rawValue: UInt8
    static let receiving = Bulk(rawValue: 1)
    static let sending = Bulk(rawValue: 2)
  }

  let loop: EventLoop
  private(set) var session: Session?
  var isDirty = false
  /// When the peer last gave bytes, monotonic microseconds.
  private(set) var lastReceivedAt: Int64
  private(set) var bytesReceived: UInt64 = 0
  private(set) var bytesSent: UInt64 = 0
  /// Where the owner keeps it in its list.
  var slot = -1
  private(set) var resumedTLS = false
  /// The transport has been ready once.
  private(set) var hasOpened = false
  /// What a peer has to take of bytes that wait for it.
  var slowReader: SlowReaderLimit?
  /// Messages of TLS itself behind the handshake. Each costs new keys, and a hundred of them fit where a request does.
  var tlsMessages = EventBudget(10, per: 60_000_000)

  private let owner: ConnectionOwner
  private let descriptor: Int32
  /// Behind a pointer, because a value that cannot be copied would be checked for exclusivity with each call.
  private let tls: UnsafeMutablePointer<TLSSession>?
  private var phase: Phase
  private let unsent = ByteQueue()
  private var readingPaused = false
  /// Not empty while the connection is on the loop's list.
  private var bulk = Bulk()
  /// There was much to receive the last time, so there may be more.
  private var receivesBulk = false
  /// The session has put aside some of what was received.
  private var leftUnread = false
  /// The same for sending, or the kernel did not take all of it.
  private var sendsBulk = false
  private var interest: UInt32
  private let openedAt: Int64
  private let handshakeTimeoutMicroseconds: Int64
  private var closingSince: Int64 = 0
  private var closingLimit = Connection.closingMicroseconds
  private var lingeredBytes = 0
  private var pace = ReadingPace()

  /// - Parameters:
  ///   - descriptor: a non-blocking socket, owned from here on
  ///   - connecting: whether `connect` is still under way
  init(
    descriptor: Int32, connecting: Bool, tls: consuming TLSSession?, loop: EventLoop, owner: ConnectionOwner,
    handshakeTimeoutMicroseconds: Int64
  ) throws {
    self.descriptor = descriptor
    self.loop = loop
    self.owner = owner
    self.handshakeTimeoutMicroseconds = handshakeTimeoutMicroseconds
    phase = connecting ? .connecting : .handshaking
    if let tls { self.tls = moveToPool(tls) } else { self.tls = nil }
    interest = connecting ? EPOLLOUT.rawValue : EPOLLIN.rawValue
    lastReceivedAt = loop.now
    openedAt = loop.now
    super.init()
    do {
      try loop.add(self, descriptor: descriptor, events: interest)
    } catch {
      phase = .closed
      Glibc.close(descriptor)
      throw error
    }
    if phase == .handshaking, self.tls == nil { becomeOpen() }
  }

  deinit {
    takeOutOfPool(tls)
  }

  var isOpen: Bool { phase == .open }
  var isClosed: Bool { phase == .closed }

  // MARK: For the session

  /// Has the session asked for bytes at the end of the turn.
  func needsFlush() {
    if phase == .open || phase == .closing { loop.needsFlush(self) }
  }

  func pauseReading() {
    guard !readingPaused else { return }
    readingPaused = true
    updateInterest()
  }

  func resumeReading() {
    guard readingPaused else { return }
    readingPaused = false
    updateInterest()
  }

  /// Sends what the session still produces, then closes.
  func closeAfterFlush(_ reason: ConnectionEnd = .closedHere) {
    guard phase == .open else { return }
    phase = .closing
    closingSince = loop.now
    if case .cut(let cut) = reason {
      owner.connectionCut(self, reason: cut)
    } else if slowReader != nil {
      closingLimit = Self.pacedClosingMicroseconds
    }
    pauseReading()
    loop.needsFlush(self)
  }

  /// Closes now; what was not sent is lost.
  func close(_ reason: ConnectionEnd = .closedHere) {
    guard phase != .closed else { return }
    phase = .closed
    // What a slow reader has not taken would stay in the kernel for minutes.
    if case .cut(.slowReader) = reason { strait_close_resets(descriptor) }
    loop.close(descriptor: descriptor)
    unsent.release()
    loop.keepUntilTurnEnds(self)
    if case .cut(let cut) = reason { owner.connectionCut(self, reason: cut) }
    session?.connectionClosed()
    owner.connectionClosed(self, reason: reason)
    // The session holds the connection; the turn's callers may still be in it.
    if let session { loop.keepUntilTurnEnds(session) }
    session = nil
  }

  /// Looks at the limits on time.
  func sweep(now: Int64) {
    if phase == .connecting || phase == .handshaking {
      if now - openedAt > handshakeTimeoutMicroseconds { close(.handshakeTimeout) }
      return
    }
    if phase == .lingering {
      if now - closingSince > Self.lingerMicroseconds { close() }
      return
    }
    if phase == .closing, now - closingSince > closingLimit { return close() }
    if let slowReader, !pace.isEnough(slowReader, now: now) { return close(.cut(.slowReader)) }
    session?.sweep(now: now)
  }

  // MARK: Events

  override func ready(_ events: UInt32) {
    guard phase != .closed else { return }
    if phase == .connecting {
      finishConnecting()
      return
    }
    if phase == .handshaking {
      loop.serveAfterOthers(self, events: events)
      return
    }
    if receivesBulk || events & EPOLLOUT.rawValue != 0 { sortOut(events) } else { answer(events) }
  }

  /// What the kernel did not take at once is bulk, whatever it is. An end or an error is no bulk.
  private func sortOut(_ events: UInt32) {
    if events & EPOLLOUT.rawValue != 0 { wait(for: .sending) }
    let incoming = events & ~EPOLLOUT.rawValue
    if receivesBulk, phase == .open, incoming == EPOLLIN.rawValue {
      wait(for: .receiving)
    } else if incoming != 0 {
      receive()
    }
  }

  private func wait(for work: Bulk) {
    if bulk.isEmpty { loop.serveBulk(of: self) }
    bulk.insert(work)
  }

  /// The loop has taken the connection off its list.
  func moveBulk() {
    let work = bulk
    bulk = []
    if work.contains(.receiving), phase == .open, !readingPaused { receiveBulk() }
    if work.contains(.sending) { sendSome() }
  }

  private func receiveBulk() {
    guard leftUnread else { return receive() }
    session?.receiveUnread()
    leaveUnread()
  }

  override func readyAfterOthers(_ events: UInt32) {
    if phase != .closed { answer(events) }
  }

  @inline(__always)
  private func answer(_ events: UInt32) {
    if events & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { receive() }
    if phase != .closed, events & EPOLLOUT.rawValue != 0 { flush() }
  }

  private func finishConnecting() {
    var failure: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size)
    guard failure == 0 else {
      close(.connectFailed)
      return
    }
    phase = .handshaking
    interest = 0
    updateInterest()
    if tls == nil { becomeOpen() } else { shakeHands() }
  }

  private func receive() {
    guard !leftUnread || phase != .open else { return wait(for: .receiving) }
    let space = loop.buffers.received
    let most = session?.receivesAtMost ?? LoopBuffers.size
    let count = recv(descriptor, space.baseAddress, most, 0)
    guard count > 0 else {
      if count == 0 { peerEnded(inOrder: tls == nil) } else if !wouldBlock() { close(.failed) }
      return
    }
    if phase == .lingering {
      lingeredBytes += count
      if lingeredBytes > Self.lingerBytes { close() }
      return
    }
    lastReceivedAt = loop.now
    bytesReceived &+= UInt64(count)
    receivesBulk = count >= most / 2
    let bytes = UnsafeRawBufferPointer(rebasing: space[..<count])
    guard tls != nil else {
      session?.receive(bytes)
      return
    }
    tls?.pointee.offer(bytes)
    if phase == .handshaking { shakeHands() }
    if phase == .open || phase == .closing { decrypt() }
    leaveUnread()
  }

  /// What the session has put aside is bulk; until it has gone on with that, nothing more is read.
  private func leaveUnread() {
    leftUnread = session?.hasUnread ?? false
    if leftUnread { wait(for: .receiving) }
  }

  private func shakeHands() {
    guard let step = tls?.pointee.handshake() else { return }
    switch step {
    case .done:
      resumedTLS = tls?.pointee.resumed ?? false
      // What the handshake has left to say goes with the session's first words: see `decrypt`.
      becomeOpen()
    case .needsInput, .message: _ = sendRecords()
    case .ended, .failed: if sendRecords() { close(.handshakeFailed) }
    }
  }

  private func becomeOpen() {
    phase = .open
    hasOpened = true
    let opened = owner.connectionOpened(self, negotiated: tls?.pointee.negotiated ?? .none)
    // Its first stream may have given it up.
    guard phase != .closed else { return }
    session = opened
    if session == nil { close(.handshakeFailed) } else { loop.needsFlush(self) }
  }

  private func decrypt() {
    let space = loop.buffers.plain
    while phase == .open || phase == .closing {
      var count = 0
      guard let step = tls?.pointee.read(into: space, count: &count) else { return }
      switch step {
      case .done:
        session?.receive(UnsafeRawBufferPointer(rebasing: space[..<count]))
        if phase != .closed, tls?.pointee.isDrained == true { return sendTLSOutput() }
      case .message:
        guard tlsMessages.spend(now: loop.now) else { return close(.cut(.keyUpdateFlood)) }
      case .needsInput:
        return sendTLSOutput()
      case .ended:
        guard sendRecords() else { return }
        peerEnded(inOrder: true)
        return
      case .failed:
        _ = sendRecords()
        close(.failed)
        return
      }
    }
  }

  /// With what the session has to say, in one piece.
  private func sendTLSOutput() {
    if tls?.pointee.output.isEmpty == false { flush() }
    if phase != .closed { _ = sendRecords() }
  }

  private func peerEnded(inOrder: Bool) {
    guard phase == .open, let session else {
      close(.peerClosed)
      return
    }
    session.receiveEnd(inOrder: inOrder)
    // Reading on would report the end over and over.
    if phase == .open { pauseReading() }
  }

  // MARK: Sending

  /// Sends what the session has to say, unless it is much, or the peer takes it slowly: then the loop comes for the rest.
  func flush() {
    guard sendsBulk else { return sendSome() }
    // Where the kernel has not taken all, it will tell.
    if unsent.isEmpty { wait(for: .sending) }
  }

  private func sendSome() {
    guard phase == .open || phase == .closing, let session else { return }
    guard unsent.isEmpty || sendUnsent() else { return }
    var rounds = 0
    var produced = 0
    while rounds < Self.flushesAtOnce, produced < Self.promptBytes {
      rounds += 1
      let space = loop.buffers.plain
      let count = session.produce(into: space)
      guard phase != .closed else { return }
      if count == 0 {
        sendsBulk = false
        if phase == .closing { finishClosing() }
        return
      }
      produced += count
      let bytes = UnsafeRawBufferPointer(rebasing: space[..<count])
      if tls != nil {
        guard tls?.pointee.write(bytes) == true else {
          close(.failed)
          return
        }
        guard sendRecords() else { return }
      } else if !send(bytes) {
        return
      }
    }
    // There may be more.
    sendsBulk = true
    wait(for: .sending)
  }

  private func finishClosing() {
    tls?.pointee.shutdown()
    guard sendRecords() else { return }
    shutdown(descriptor, Int32(SHUT_WR))
    phase = .lingering
    closingSince = loop.now
    resumeReading()
  }

  /// - Returns: whether all is with the kernel
  private func sendRecords() -> Bool {
    guard let bytes = tls?.pointee.output, bytes.count > 0 else { return true }
    let sent = unsent.isEmpty ? send(bytes) : keep(bytes)
    tls?.pointee.outputTaken()
    return sent
  }

  private func keep(_ bytes: UnsafeRawBufferPointer) -> Bool {
    unsent.append(bytes)
    return false
  }

  private func send(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
    if count < 0 {
      guard wouldBlock() else {
        close(.failed)
        return false
      }
    } else {
      bytesSent &+= UInt64(count)
      if count == bytes.count { return true }
    }
    unsent.append(UnsafeRawBufferPointer(rebasing: bytes[max(0, count)...]))
    pace.begin(now: loop.now)
    sendsBulk = true
    updateInterest()
    return false
  }

  private func sendUnsent() -> Bool {
    let bytes = unsent.readable
    let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
    guard count >= 0 else {
      if !wouldBlock() { close(.failed) }
      return false
    }
    bytesSent &+= UInt64(count)
    unsent.consume(count)
    guard unsent.isEmpty else {
      pace.took(count, now: loop.now)
      return false
    }
    unsent.release()
    pace.end()
    updateInterest()
    return true
  }

  private func wouldBlock() -> Bool {
    let code = strait_errno()
    return code == EAGAIN || code == EINTR
  }

  private func updateInterest() {
    guard phase != .closed, phase != .connecting else { return }
    var wanted: UInt32 = 0
    if !readingPaused { wanted |= EPOLLIN.rawValue }
    if !unsent.isEmpty { wanted |= EPOLLOUT.rawValue }
    guard wanted != interest else { return }
    interest = wanted
    loop.change(self, descriptor: descriptor, events: wanted)
  }
}
