// Streams by their numbers. Those of a connection follow each other, and are spread so that none lies in a long row: the
// row would be gone through whenever one leaves.

import CLinux

/// The streams are their owner's, and stay at their addresses.
package struct StreamTable<Stream>: ~Copyable {
  private struct Slot {
    /// 0 where the slot is free.
    var id: Int32 = 0
    var stream: UnsafeMutablePointer<Stream>?
  }

  private static var leastSlots: Int { 32 }

  private var slots: UnsafeMutablePointer<Slot>
  /// A power of two, and 32 less its exponent.
  package private(set) var capacity: Int
  private var shift: Int
  package private(set) var count = 0

  package init() {
    capacity = Self.leastSlots
    shift = 32 - capacity.trailingZeroBitCount
    slots = Self.makeSlots(Self.leastSlots)
  }

  deinit {
    Self.giveSlots(slots, capacity)
  }

  @inline(__always)
  package func find(_ id: Int32) -> UnsafeMutablePointer<Stream>? {
    var index = home(id)
    while slots[index].id != id {
      if slots[index].id == 0 { return nil }
      index = (index &+ 1) & (capacity &- 1)
    }
    return slots[index].stream
  }

  /// What is at a place from 0 up to `capacity`.
  package func stream(at index: Int) -> UnsafeMutablePointer<Stream>? {
    precondition(index >= 0 && index < capacity)
    return slots[index].stream
  }

  /// The number is not in the table.
  package mutating func insert(_ id: Int32, _ stream: UnsafeMutablePointer<Stream>) {
    if count &* 2 >= capacity { resize(to: capacity * 2) }
    place(id, stream)
    count &+= 1
  }

  package mutating func remove(_ id: Int32) {
    var index = home(id)
    while slots[index].id != id {
      if slots[index].id == 0 { return }
      index = (index &+ 1) & (capacity &- 1)
    }
    closeGap(at: index)
    count &-= 1
  }

  /// Gives back what an empty table does not need.
  package mutating func rest() {
    if count == 0, capacity > Self.leastSlots { resize(to: Self.leastSlots) }
  }

  /// By the first bits of the product with 2^32 over the golden ratio: numbers in a row come to lie far apart.
  @inline(__always)
  private func home(_ id: Int32) -> Int {
    Int((UInt32(bitPattern: id) &* 0x9E37_79B9) &>> UInt32(truncatingIfNeeded: shift))
  }

  @inline(__always)
  private func place(_ id: Int32, _ stream: UnsafeMutablePointer<Stream>) {
    var index = home(id)
    while slots[index].id != 0 { index = (index &+ 1) & (capacity &- 1) }
    slots[index] = Slot(id: id, stream: stream)
  }

  /// Those behind a slot that becomes free move up, as far as they have been kept from their own.
  private func closeGap(at start: Int) {
    let mask = capacity &- 1
    var gap = start
    var index = (gap &+ 1) & mask
    while slots[index].id != 0 {
      let wanted = home(slots[index].id)
      if (index &- wanted) & mask >= (index &- gap) & mask {
        slots[gap] = slots[index]
        gap = index
      }
      index = (index &+ 1) & mask
    }
    slots[gap] = Slot()
  }

  private mutating func resize(to larger: Int) {
    let (old, oldCapacity) = (slots, capacity)
    slots = Self.makeSlots(larger)
    capacity = larger
    shift = 32 - larger.trailingZeroBitCount
    for index in 0..<oldCapacity {
      if let stream = old[index].stream { place(old[index].id, stream) }
    }
    Self.giveSlots(old, oldCapacity)
  }

  private static func makeSlots(_ count: Int) -> UnsafeMutablePointer<Slot> {
    let slots = takeFromPool(count * MemoryLayout<Slot>.stride).bindMemory(to: Slot.self, capacity: count)
    slots.initialize(repeating: Slot(), count: count)
    return slots
  }

  private static func giveSlots(_ slots: UnsafeMutablePointer<Slot>, _ count: Int) {
    strait_pool_give_sized(slots, count * MemoryLayout<Slot>.stride)
  }
}
