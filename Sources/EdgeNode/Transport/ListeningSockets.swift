// The sockets on which a process listens for clients, one for each worker. A process that starts beside another on the
// same address is handed that one's sockets: a connection that waits in a queue, or is half made, belongs to a socket,
// and is lost when the last process closes it. (Sockets of its own would not do: the kernel has shared the connections
// out among all sockets before any process knows of them.)

import CLinux
import Glibc
import Synchronization

final class ListeningSockets: Sendable {
  private static let most = 253

  /// Whether another process had them first.
  let wereTakenOver: Bool
  private let descriptors: Mutex<[Int32]>
  private let name: String?

  /// Takes over the sockets of a process that listens on the address, and makes what is missing.
  /// - Throws: `SystemCallError` when the address cannot be listened on
  init(address: SocketAddress, count: Int) throws {
    name = address.commonName
    var sockets = name.map { Self.takeOver($0, address) } ?? []
    wereTakenOver = !sockets.isEmpty
    do {
      while sockets.count < count { sockets.append(try address.listen()) }
    } catch {
      for socket in sockets { Glibc.close(socket) }
      throw error
    }
    descriptors = Mutex(sockets)
  }

  /// The sockets of one worker of `count`. Every socket is someone's: one that nobody accepts from loses clients.
  func share(_ worker: Int, of count: Int) -> [Int32] {
    descriptors.withLock { all in
      stride(from: worker, to: all.count, by: count).map { all[$0] }
    }
  }

  func close(_ descriptor: Int32) {
    descriptors.withLock { all in
      all.removeAll { $0 == descriptor }
      Glibc.close(descriptor)
    }
  }

  // MARK: Handing over

  /// Offers the sockets to a process that starts later; nil when the name is another's.
  func offer(on loop: EventLoop) -> HandoverOffer? {
    guard let name else { return nil }
    let socket = strait_named_socket(name, 1)
    return socket < 0 ? nil : try? HandoverOffer(socket, sockets: self, loop: loop)
  }

  fileprivate func send(to peer: Int32) -> Bool {
    // Under the lock: a descriptor that is closed meanwhile may be another file by the time it is sent.
    descriptors.withLock { $0.isEmpty ? false : strait_send_descriptors(peer, $0, Int32($0.count)) == 0 }
  }

  private static func takeOver(_ name: String, _ address: SocketAddress) -> [Int32] {
    let peer = strait_named_socket(name, 0)
    guard peer >= 0 else { return [] }
    defer { Glibc.close(peer) }
    guard strait_peer_is_this_user(peer) == 1 else { return [] }
    var received = [Int32](repeating: -1, count: most)
    let count = Int(strait_receive_descriptors(peer, &received, Int32(most)))
    guard count > 0 else { return [] }
    let all = received[..<count]
    // Nothing but the other's end follows, once the name is free.
    var byte: UInt8 = 0
    _ = recv(peer, &byte, 1, 0)
    let listening = all.filter { address.isListened(by: $0) }
    for other in all where !listening.contains(other) { Glibc.close(other) }
    return Array(listening)
  }
}

/// Waits for a process that is to have the sockets too.
final class HandoverOffer: EventSource {
  private let loop: EventLoop
  private let sockets: ListeningSockets
  private let descriptor: Int32
  private var isOpen = true

  fileprivate init(_ descriptor: Int32, sockets: ListeningSockets, loop: EventLoop) throws {
    self.descriptor = descriptor
    self.sockets = sockets
    self.loop = loop
    super.init()
    do {
      try loop.add(self, descriptor: descriptor, events: EPOLLIN.rawValue)
    } catch {
      Glibc.close(descriptor)
      throw error
    }
  }

  func close() {
    guard isOpen else { return }
    isOpen = false
    loop.remove(descriptor: descriptor)
    Glibc.close(descriptor)
    loop.keepUntilTurnEnds(self)
  }

  override func ready(_ events: UInt32) {
    let peer = accept(descriptor, nil, nil)
    guard peer >= 0 else { return }
    // The next process asks the newest one: the name is free before this one hears that it is.
    if strait_peer_is_this_user(peer) == 1, sockets.send(to: peer) { close() }
    Glibc.close(peer)
  }
}
