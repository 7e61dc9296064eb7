// Accepts clients on one worker's socket. When the process has no descriptor left, those who wait are told so at once:
// a socket that nobody accepts from stays ready, and a loop that finds it so again and again does nothing else.

import CLinux
import Glibc

final class Listener: EventSource {
  /// Accepted in one turn at the most, so that those who are connected are served too. It costs some 30 µs each.
  private static let acceptsPerTurn = 16

  /// Takes over a connected, non-blocking socket.
  private let accepted: (Int32, ClientAddress) -> Void
  /// The process has no descriptor left. Called before one is freed, which another worker could take.
  private let exhausted: () -> Void
  /// A client was turned away for that.
  private let turnedAway: () -> Void

  private let loop: EventLoop
  private let descriptor: Int32
  private let closeSocket: (Int32) -> Void
  private var isOpen = true
  /// Given up for a moment, so that a client can be accepted and turned away when no descriptor is left.
  private var reserve: Int32
  /// There was nothing left even for that; the next sweep tries again.
  private var isExhausted = false
  private var isHeld = false

  /// - Parameters:
  ///   - descriptor: a listening socket, in use until `closeSocket` is called with it
  init(
    descriptor: Int32, loop: EventLoop, exhausted: @escaping () -> Void, turnedAway: @escaping () -> Void,
    closeSocket: @escaping (Int32) -> Void, accepted: @escaping (Int32, ClientAddress) -> Void
  ) throws {
    self.closeSocket = closeSocket
    self.loop = loop
    self.descriptor = descriptor
    self.accepted = accepted
    self.exhausted = exhausted
    self.turnedAway = turnedAway
    reserve = openReserve()
    super.init()
    try loop.add(self, descriptor: descriptor, events: EPOLLIN.rawValue)
  }

  func close() {
    guard isOpen else { return }
    isOpen = false
    loop.remove(descriptor: descriptor)
    closeSocket(descriptor)
    if reserve >= 0 { Glibc.close(reserve) }
    loop.keepUntilTurnEnds(self)
  }

  /// Leaves new clients waiting in the kernel's queue, or takes them again.
  func hold(_ held: Bool) {
    guard isOpen, isHeld != held else { return }
    isHeld = held
    updateInterest()
  }

  func sweep() {
    guard isOpen, isExhausted else { return }
    isExhausted = false
    if reserve < 0 { reserve = openReserve() }
    updateInterest()
  }

  override func ready(_ events: UInt32) {
    loop.serveAfterOthers(self, events: events)
  }

  override func readyAfterOthers(_ events: UInt32) {
    for _ in 0..<Self.acceptsPerTurn where isOpen {
      guard acceptOne() else { return }
    }
  }

  /// Accepts all who wait already: closing the socket would reset them.
  func acceptWaiting() {
    while isOpen, acceptOne() {}
  }

  /// - Returns: whether there may be another
  private func acceptOne() -> Bool {
    var address = sockaddr_storage()
    let client = strait_accept(descriptor, &address)
    if client >= 0 {
      accepted(client, ClientAddress(address))
      return true
    }
    switch strait_errno() {
    case EAGAIN: return false
    case EMFILE: return turnAway()
    case ENFILE, ENOBUFS, ENOMEM:
      pause()
      return false
    // The client gave up while it waited; the next may not have.
    default: return true
    }
  }

  private func turnAway() -> Bool {
    exhausted()
    if reserve < 0 { reserve = openReserve() }
    guard reserve >= 0 else {
      pause()
      return false
    }
    Glibc.close(reserve)
    var address = sockaddr_storage()
    let client = strait_accept(descriptor, &address)
    // The kernel finds a descriptor before it looks whether anybody waits.
    let isQueueEmpty = client < 0 && strait_errno() == EAGAIN
    if client >= 0 {
      strait_reset(client)
      turnedAway()
    }
    reserve = openReserve()
    // Another thread was faster: the next sweep tries again.
    if reserve < 0 || client < 0 && !isQueueEmpty { pause() }
    return !isExhausted && !isQueueEmpty
  }

  private func pause() {
    isExhausted = true
    updateInterest()
  }

  private func updateInterest() {
    loop.change(self, descriptor: descriptor, events: isHeld || isExhausted ? 0 : EPOLLIN.rawValue)
  }
}

private func openReserve() -> Int32 {
  open("/dev/null", O_RDONLY | O_CLOEXEC)
}
