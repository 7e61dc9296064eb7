// One thread's epoll loop. A turn takes all ready events first and then flushes the connections that have something to
// say, so that many small answers leave in few records and few system calls. Then comes bulk: connections that move so
// much at once that others would wait for it. Newcomers come last: a handshake costs as much as twenty requests, and
// whoever floods the door must not be waited for. Bulk and newcomers have so much of a turn and no more, and so has
// letting go of those that ended.

import CLinux
import Glibc
import Synchronization

/// Something with a descriptor in the loop.
class EventSource {
  init() {}

  /// - Parameter events: `EPOLLIN`, `EPOLLOUT`, … as epoll gave them
  func ready(_ events: UInt32) {
    preconditionFailure("an event source answers its events")
  }

  /// The same for a source that has asked to be served after the others, in the turn in which it asked.
  func readyAfterOthers(_ events: UInt32) {
    preconditionFailure("an event source that asks to be served later answers its events then")
  }
}

package struct SystemCallError: Error, CustomStringConvertible {
  let call: StaticString
  let code: Int32

  init(_ call: StaticString, _ code: Int32 = strait_errno()) {
    self.call = call
    self.code = code
  }

  package var description: String { "\(call): \(String(cString: strerror(code)))" }
}

final class EventLoop {
  /// Events taken in one turn at the most.
  private static let eventsPerTurn = 256
  /// What bulk may take of one turn. One connection is served whatever it takes.
  private static let bulkMicroseconds: Int64 = 500
  /// What serving newcomers may take of one turn. One of them is served whatever it takes.
  private static let newcomersMicroseconds: Int64 = 500
  /// What letting go of ended ones may take of one turn; a part of what the rest of it has taken where that is more, so
  /// that they cannot pile up. The clock is looked at once for so many.
  private static let endsMicroseconds: Int64 = 500
  private static let endsAtOnce = 16
  /// How often limits on time are looked at.
  private static let sweepIntervalMicroseconds: Int64 = 250_000

  let buffers: LoopBuffers
  /// Monotonic time at the start of the turn, in microseconds.
  var now: Int64 { clock.pointee.monotonic }
  /// Time since 1970 at the start of the turn, in microseconds.
  var wallClock: Int64 { clock.pointee.sinceEpoch }
  /// Called once a turn when another thread has called `wake`.
  var onWake: () -> Void = {}
  /// Called every `sweepIntervalMicroseconds` or so.
  var onSweep: () -> Void = {}

  private struct Clock {
    var monotonic: Int64
    var sinceEpoch: Int64

    init() {
      monotonic = monotonicMicroseconds()
      sinceEpoch = wallClockMicroseconds()
    }
  }

  /// Behind a pointer, because everything reads it.
  private let clock: UnsafeMutablePointer<Clock>
  /// Called at the end of a turn that had something to do, with what it took in microseconds.
  var onTurn: (Int64) -> Void = { _ in }

  private let epoll: Int32
  private let waker: LoopWaker
  private let events: UnsafeMutablePointer<epoll_event>
  /// Connections with something to say, held by the list: they may close meanwhile.
  private let dirty = PooledList<Unmanaged<Connection>>()
  private let flushing = PooledList<Unmanaged<Connection>>()
  /// Each is in it once. Who was served and wants more goes to the end, so that all have their turn.
  private var bulk = ContiguousArray<Connection>()
  /// Objects that ended: kept until a turn's end, because events and callers may still name them.
  private let ended = PooledList<Unmanaged<AnyObject>>()
  /// Closed at a turn's end: a new connection of the same turn would get the number, and events that name the old one may
  /// be still to come.
  private var endedDescriptors = ContiguousArray<Int32>()
  private var newcomers = ContiguousArray<(source: EventSource, events: UInt32)>()
  private var nextSweep: Int64 = 0
  private var stopped = false

  init(waker: LoopWaker) throws {
    self.waker = waker
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw SystemCallError("epoll_create1") }
    events = .allocate(capacity: Self.eventsPerTurn)
    buffers = LoopBuffers()
    clock = .allocate(capacity: 1)
    clock.initialize(to: Clock())
    guard strait_epoll_set(epoll, EPOLL_CTL_ADD, waker.descriptor, EPOLLIN.rawValue, nil) == 0 else {
      throw SystemCallError("epoll_ctl")
    }
  }

  deinit {
    while hasEnded { letEndedGo() }
    Glibc.close(epoll)
    events.deallocate()
    clock.deallocate()
  }

  // MARK: Registration

  /// The source must stay alive until it has been removed and the turn has ended.
  func add(_ source: EventSource, descriptor: Int32, events: UInt32) throws {
    let owner = Unmanaged.passUnretained(source).toOpaque()
    guard strait_epoll_set(epoll, EPOLL_CTL_ADD, descriptor, events, owner) == 0 else {
      throw SystemCallError("epoll_ctl")
    }
  }

  func change(_ source: EventSource, descriptor: Int32, events: UInt32) {
    _ = strait_epoll_set(
      epoll, EPOLL_CTL_MOD, descriptor, events, Unmanaged.passUnretained(source).toOpaque())
  }

  func remove(descriptor: Int32) {
    _ = strait_epoll_set(epoll, EPOLL_CTL_DEL, descriptor, 0, nil)
  }

  /// Has the connection flushed at the end of this turn.
  func needsFlush(_ connection: Connection) {
    if connection.isDirty { return }
    connection.isDirty = true
    dirty.append(Unmanaged.passRetained(connection))
  }

  /// Not all that could be moved has been.
  var hasBulk: Bool { !bulk.isEmpty }

  /// Has the connection's bulk moved after the others were served, in this turn or in one of the next.
  func serveBulk(of connection: Connection) {
    bulk.append(connection)
  }

  /// Has the source served after the others, or told of its events again in the next turn.
  func serveAfterOthers(_ source: EventSource, events: UInt32) {
    newcomers.append((source, events))
  }

  /// Keeps an object alive until the turn has ended.
  func keepUntilTurnEnds(_ object: AnyObject) {
    keepUntilTurnEnds(retained: Unmanaged.passRetained(object))
  }

  /// The same for an object whose owner hands its reference over.
  func keepUntilTurnEnds(retained object: Unmanaged<AnyObject>) {
    ended.append(object)
  }

  /// Takes a descriptor out of the loop and closes it when the turn has ended, or soon after.
  func close(descriptor: Int32) {
    remove(descriptor: descriptor)
    endedDescriptors.append(descriptor)
  }

  /// Closes and releases what has ended: all of it, but where very many end at once the rest is for the next turns.
  private func letEndedGo() {
    let began = monotonicMicroseconds()
    let limit = began + max(Self.endsMicroseconds, (began - now) / 4)
    var closed = 0
    var released = 0
    repeat {
      for _ in 0..<Self.endsAtOnce {
        if closed < endedDescriptors.count {
          Glibc.close(endedDescriptors[closed])
          closed += 1
        }
        // What ends may let others end.
        if released < ended.count {
          ended[released].release()
          released += 1
        }
      }
    } while (closed < endedDescriptors.count || released < ended.count) && monotonicMicroseconds() < limit
    endedDescriptors.removeFirst(closed)
    ended.removeFirst(released)
  }

  private var hasEnded: Bool { !endedDescriptors.isEmpty || !ended.isEmpty }

  // MARK: Running

  func run() {
    while !stopped {
      turn()
    }
    // What is kept keeps its loop.
    while !dirty.isEmpty { dirty.removeLast().release() }
    while hasEnded { letEndedGo() }
  }

  func stop() {
    stopped = true
  }

  private func turn() {
    let isDone = dirty.isEmpty && bulk.isEmpty && !hasEnded
    let wait = isDone ? Int32(Self.sweepIntervalMicroseconds / 1000) : 0
    let count = epoll_wait(epoll, events, Int32(Self.eventsPerTurn), wait)
    clock.pointee = Clock()
    var index: Int32 = 0
    while index < count {
      if let owner = strait_epoll_owner(events, index) {
        let mask = strait_epoll_events(events, index)
        Unmanaged<EventSource>.fromOpaque(owner)._withUnsafeGuaranteedRef { $0.ready(mask) }
      } else {
        waker.acknowledge()
        onWake()
      }
      index += 1
    }
    if now >= nextSweep {
      nextSweep = now + Self.sweepIntervalMicroseconds
      onSweep()
    }
    flushDirty()
    if !bulk.isEmpty { serveBulk() }
    if !newcomers.isEmpty { serveNewcomers() }
    if hasEnded { letEndedGo() }
    if count > 0 || wait == 0 { onTurn(monotonicMicroseconds() - now) }
  }

  private func serveBulk() {
    let began = monotonicMicroseconds()
    var served = 0
    // Whoever wants more is appended meanwhile.
    while served < bulk.count {
      let connection = bulk[served]
      served += 1
      connection.moveBulk()
      if monotonicMicroseconds() - began >= Self.bulkMicroseconds { break }
    }
    bulk.removeFirst(served)
    flushDirty()
  }

  /// In the order in which epoll told of them. It tells again, and in that order, of those that were not served.
  private func serveNewcomers() {
    let began = monotonicMicroseconds()
    for newcomer in newcomers {
      newcomer.source.readyAfterOthers(newcomer.events)
      if monotonicMicroseconds() - began >= Self.newcomersMicroseconds { break }
    }
    newcomers.removeAll(keepingCapacity: true)
    flushDirty()
  }

  /// A flush can make other connections dirty (room for an upstream's bytes, a window to open): go on until none is,
  /// but leave what only wants another share of the turn to the next.
  private func flushDirty() {
    var rounds = 0
    while !dirty.isEmpty, rounds < 4 {
      rounds += 1
      dirty.exchange(with: flushing)
      var index = 0
      while index < flushing.count {
        let connection = flushing[index]
        index += 1
        connection._withUnsafeGuaranteedRef {
          $0.isDirty = false
          $0.flush()
        }
        connection.release()
      }
      flushing.removeAll()
    }
  }
}

/// Lets any thread end the wait of one loop.
final class LoopWaker: Sendable {
  let descriptor: Int32

  init() throws {
    descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard descriptor >= 0 else { throw SystemCallError("eventfd") }
  }

  deinit {
    close(descriptor)
  }

  func wake() {
    var one: UInt64 = 1
    _ = write(descriptor, &one, 8)
  }

  func acknowledge() {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
  }
}

/// The memory that a loop lends to one connection at a time: what came from the kernel, plain bytes on their way in or
/// out, and what goes to the kernel.
final class LoopBuffers {
  /// One recv, and the plain bytes of one flush.
  static let size = 64 * 1024
  /// One recv where windows bound what the peer may send: what many streams share, they share in fewer calls.
  static let windowedSize = 256 * 1024
  /// The records of one flush: five of 16 KiB, each with its header and tag, and room for a handshake's flight.
  static let recordSize = size + 16 * 1024

  let received = UnsafeMutableRawBufferPointer.allocate(byteCount: windowedSize, alignment: 64)
  let plain = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
  let records = UnsafeMutableRawBufferPointer.allocate(byteCount: recordSize, alignment: 64)
  /// Where a head's fields are listed for a library. It has names and values by pointer alone.
  private var fieldList = UnsafeMutableRawBufferPointer.allocate(byteCount: 8192, alignment: 16)

  /// Room for a list of so many bytes, until it is next asked for.
  func fields(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if byteCount > fieldList.count {
      fieldList.deallocate()
      fieldList = .allocate(byteCount: byteCount * 2, alignment: 16)
    }
    return fieldList.baseAddress.unsafelyUnwrapped
  }

  deinit {
    for buffer in [received, plain, records] {
      strait_cleanse(buffer.baseAddress, buffer.count)
      buffer.deallocate()
    }
    fieldList.deallocate()
  }
}

func monotonicMicroseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
}

func wallClockMicroseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
}
