// Streams by their numbers. Those of a connection follow each other in steps of two, so that half of one is as good as its
// hash, and a stream is mostly found at once.

import CLinux

struct UpstreamStreamTable: ~Copyable {
  private struct Slot {
    /// 0 where the slot is free.
    var id: Int32 = 0
    var stream: UpstreamStream.Pointer?
  }

  private static let leastSlots = 32

  private var slots: UnsafeMutablePointer<Slot>
  /// A power of two.
  private(set) var capacity: Int
  private(set) var count = 0

  init() {
    capacity = Self.leastSlots
    slots = Self.makeSlots(Self.leastSlots)
  }

  deinit {
    Self.giveSlots(slots, capacity)
  }

  @inline(__always)
  func find(_ id: Int32) -> UpstreamStream.Pointer? {
    var index = home(id)
    while slots[index].id != id {
      if slots[index].id == 0 { return nil }
      index = (index &+ 1) & (capacity &- 1)
    }
    return slots[index].stream
  }

  /// What is at a place from 0 up to `capacity`.
  func stream(at index: Int) -> UpstreamStream.Pointer? {
    precondition(index >= 0 && index < capacity)
    return slots[index].stream
  }

  /// The stream has a number, and that is not in the table.
  mutating func insert(_ stream: UpstreamStream.Pointer) {
    if count &* 2 >= capacity { resize(to: capacity * 2) }
    place(stream)
    count &+= 1
  }

  mutating func remove(_ id: Int32) {
    var index = home(id)
    while slots[index].id != id {
      if slots[index].id == 0 { return }
      index = (index &+ 1) & (capacity &- 1)
    }
    closeGap(at: index)
    count &-= 1
  }

  /// Gives back what an empty table does not need.
  mutating func rest() {
    if count == 0, capacity > Self.leastSlots { resize(to: Self.leastSlots) }
  }

  private func home(_ id: Int32) -> Int { Int(id >> 1) & (capacity &- 1) }

  @inline(__always)
  private func place(_ stream: UpstreamStream.Pointer) {
    var index = home(stream.pointee.id)
    while slots[index].id != 0 { index = (index &+ 1) & (capacity &- 1) }
    slots[index] = Slot(id: stream.pointee.id, stream: stream)
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
    for index in 0..<oldCapacity {
      if let stream = old[index].stream { place(stream) }
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
