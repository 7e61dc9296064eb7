// A queue of bytes in one block of memory: what is read is consumed from the front, what comes is appended at the back.
// It may have held content, so its memory is cleansed before it goes back to the allocator.

import CLinux
import Glibc

package struct ByteQueue: ~Copyable {
  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  private var head = 0
  private var tail = 0

  package init() {}

  deinit {
    guard let base else { return }
    strait_cleanse(base, capacity)
    free(base)
  }

  package var count: Int { tail - head }
  package var isEmpty: Bool { tail == head }

  /// The bytes in the queue. Valid until the queue is next changed.
  package var readable: UnsafeRawBufferPointer {
    guard let base, tail > head else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(start: base + head, count: tail - head)
  }

  package mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
    tail += bytes.count
  }

  package mutating func append(_ text: StaticString) {
    append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  package mutating func append(byte: UInt8) {
    reserve(1).storeBytes(of: byte, as: UInt8.self)
    tail += 1
  }

  package mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }

  /// Space for `count` bytes at the back; follow with `produced`.
  package mutating func reserve(_ count: Int) -> UnsafeMutableRawPointer {
    if let base, capacity - tail >= count { return base + tail }
    return makeRoom(count)
  }

  package mutating func produced(_ count: Int) {
    tail += count
    assert(tail <= capacity)
  }

  package mutating func consume(_ count: Int) {
    head += count
    assert(head <= tail)
    if head == tail {
      head = 0
      tail = 0
    }
  }

  /// Cleanses the memory and gives it back. The queue is empty and usable afterwards.
  package mutating func release() {
    guard let base else { return }
    strait_cleanse(base, capacity)
    free(base)
    self.base = nil
    capacity = 0
    head = 0
    tail = 0
  }

  @inline(never)
  private mutating func makeRoom(_ count: Int) -> UnsafeMutableRawPointer {
    let held = tail - head
    if let base, capacity - held >= count, head >= capacity / 2 {
      memmove(base, base + head, held)
      head = 0
      tail = held
      return base + tail
    }
    var grown = max(capacity * 2, 512)
    while grown < held + count { grown *= 2 }
    guard let fresh = malloc(grown) else { fatalError("out of memory: \(grown) bytes for a byte queue") }
    if let base {
      memcpy(fresh, base + head, held)
      strait_cleanse(base, capacity)
      free(base)
    }
    base = fresh
    capacity = grown
    head = 0
    tail = held
    return fresh + held
  }
}
