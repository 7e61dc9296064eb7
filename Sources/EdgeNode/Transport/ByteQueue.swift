// A queue of bytes in one block of memory: what is read is consumed from the front, what comes is appended at the back.
// It may have held content, so its memory is cleansed before it goes back to the pool.

import CLinux

/// The queue's state is behind a pointer and its methods do not mutate it: a class can hold queues as constants, and the
/// data path pays for no exclusivity checks.
package struct ByteQueue: ~Copyable {
  struct State: BitwiseCopyable {
    fileprivate var base: UnsafeMutableRawPointer?
    fileprivate var capacity = 0
    fileprivate var head = 0
    fileprivate var tail = 0
    /// How far bytes have ever been written since the block was taken.
    fileprivate var written = 0
  }

  /// The smallest block.
  private static let leastBytes = 504

  private let state: UnsafeMutablePointer<State>
  private let ownsState: Bool

  package init() {
    state = takeFromPool(MemoryLayout<State>.size).bindMemory(to: State.self, capacity: 1)
    state.initialize(to: State())
    ownsState = true
  }

  /// A queue whose state is part of a larger block of memory. Whoever owns that releases the queue first.
  init(at space: UnsafeMutablePointer<State>) {
    state = space
    state.initialize(to: State())
    ownsState = false
  }

  deinit {
    guard ownsState else { return }
    giveBlockBack()
    strait_pool_give_sized(state, MemoryLayout<State>.size)
  }

  package var count: Int { state.pointee.tail &- state.pointee.head }
  package var isEmpty: Bool { state.pointee.tail == state.pointee.head }
  /// Bytes of memory that the queue holds, used or not.
  package var heldBytes: Int { state.pointee.capacity }

  /// The bytes in the queue. Valid until the queue is next changed.
  package var readable: UnsafeRawBufferPointer {
    let now = state.pointee
    guard let base = now.base, now.tail > now.head else {
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    return UnsafeRawBufferPointer(start: base + now.head, count: now.tail &- now.head)
  }

  @inline(__always)
  package func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
    produced(bytes.count)
  }

  @inline(__always)
  package func append(_ text: StaticString) {
    append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  package func append(byte: UInt8) {
    reserve(1).storeBytes(of: byte, as: UInt8.self)
    produced(1)
  }

  /// With a label, because a literal would be a `String` otherwise, which is retained and released.
  package func append(string text: String) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }

  /// Space for `count` bytes at the back; follow with `produced`.
  @inline(__always)
  package func reserve(_ count: Int) -> UnsafeMutableRawPointer {
    if let base = state.pointee.base, state.pointee.capacity &- state.pointee.tail >= count {
      return base + state.pointee.tail
    }
    return makeRoom(count)
  }

  @inline(__always)
  package func produced(_ count: Int) {
    state.pointee.tail &+= count
    assert(state.pointee.tail <= state.pointee.capacity)
    if state.pointee.tail > state.pointee.written { state.pointee.written = state.pointee.tail }
  }

  @inline(__always)
  package func consume(_ count: Int) {
    state.pointee.head &+= count
    precondition(state.pointee.head <= state.pointee.tail)
    if state.pointee.head == state.pointee.tail {
      state.pointee.head = 0
      state.pointee.tail = 0
    }
  }

  /// Gives the memory back, cleansed. The queue is empty and usable afterwards.
  package func release() {
    giveBlockBack()
    state.pointee = State()
  }

  /// Has the first bytes fetched, which will be used soon.
  func prefetch() {
    strait_prefetch(state.pointee.base, min(state.pointee.written, 2048))
  }

  /// The two queues change places.
  package func exchange(with other: borrowing ByteQueue) {
    let mine = state.pointee
    state.pointee = other.state.pointee
    other.state.pointee = mine
  }

  private func giveBlockBack() {
    guard let base = state.pointee.base else { return }
    strait_cleanse(base, state.pointee.written)
    strait_pool_give_sized(base, state.pointee.capacity)
  }

  @inline(never)
  private func makeRoom(_ count: Int) -> UnsafeMutableRawPointer {
    let now = state.pointee
    let held = now.tail &- now.head
    // Of each byte that was read from the front two are moved at the most.
    if let base = now.base, now.capacity - held >= count, now.head >= held / 2 {
      base.copyMemory(from: base + now.head, byteCount: held)
      state.pointee.head = 0
      state.pointee.tail = held
      return base + held
    }
    var grown = max(now.capacity * 2, Self.leastBytes)
    if grown < held + count { grown = held + count }
    let fresh = takeFromPool(grown)
    if let base = now.base, held > 0 { fresh.copyMemory(from: base + now.head, byteCount: held) }
    giveBlockBack()
    state.pointee = State(
      base: fresh, capacity: grown, head: 0, tail: held, written: held)
    return fresh + held
  }
}

/// Makes a value in memory of the pool, where it need not be moved to.
@inline(__always)
func placeInPool<Value: ~Copyable>(_ value: @autoclosure () -> Value) -> UnsafeMutablePointer<Value> {
  let pointer = takeFromPool(MemoryLayout<Value>.size).bindMemory(to: Value.self, capacity: 1)
  pointer.initialize(to: value())
  return pointer
}

/// The same for a value that is there already, and cannot be copied.
func moveToPool<Value: ~Copyable>(_ value: consuming Value) -> UnsafeMutablePointer<Value> {
  let pointer = takeFromPool(MemoryLayout<Value>.size).bindMemory(to: Value.self, capacity: 1)
  pointer.initialize(to: value)
  return pointer
}

/// Ends a value that `placeInPool` or `moveToPool` made. Readers hold texts of what they read, so it is cleansed.
func takeOutOfPool<Value: ~Copyable>(_ pointer: UnsafeMutablePointer<Value>?) {
  guard let pointer else { return }
  pointer.deinitialize(count: 1)
  strait_cleanse(pointer, MemoryLayout<Value>.size)
  strait_pool_give_sized(pointer, MemoryLayout<Value>.size)
}

/// Memory of the calling thread's pool. Running out of memory ends the process: nothing sensible can be done then.
func takeFromPool(_ count: Int) -> UnsafeMutableRawPointer {
  guard let memory = strait_pool_take(count) else { fatalError("out of memory: \(count) bytes") }
  return memory
}
