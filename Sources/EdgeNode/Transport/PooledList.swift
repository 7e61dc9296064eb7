// A list of plain values in memory of the pool. As a `ByteQueue`, it keeps its state behind a pointer and its methods do
// not mutate it: a class can hold lists as constants, and the data path pays for no exclusivity checks.

import CLinux

struct PooledList<Element: BitwiseCopyable>: ~Copyable {
  private struct State {
    var base: UnsafeMutablePointer<Element>?
    var capacity = 0
    var count = 0
  }

  private static var leastElements: Int { 8 }

  private let state: UnsafeMutablePointer<State>

  init() {
    state = placeInPool(State())
  }

  deinit {
    giveBlockBack()
    takeOutOfPool(state)
  }

  var count: Int { state.pointee.count }
  var isEmpty: Bool { state.pointee.count == 0 }
  var last: Element? { isEmpty ? nil : self[count &- 1] }

  subscript(index: Int) -> Element {
    @inline(__always) get {
      precondition(index >= 0 && index < state.pointee.count)
      return state.pointee.base.unsafelyUnwrapped[index]
    }
    @inline(__always) nonmutating set {
      precondition(index >= 0 && index < state.pointee.count)
      state.pointee.base.unsafelyUnwrapped[index] = newValue
    }
  }

  @inline(__always)
  func append(_ element: Element) {
    if state.pointee.count == state.pointee.capacity { grow() }
    (state.pointee.base.unsafelyUnwrapped + state.pointee.count).initialize(to: element)
    state.pointee.count &+= 1
  }

  @inline(__always)
  func removeLast() -> Element {
    let last = self[count &- 1]
    state.pointee.count &-= 1
    return last
  }

  /// The last element takes the place of the one that leaves.
  /// - Returns: what has moved to `index`; nil where that was the last
  @inline(__always)
  func remove(at index: Int) -> Element? {
    let moved = removeLast()
    guard index < count else { return nil }
    self[index] = moved
    return moved
  }

  /// Keeps the memory and the order.
  func removeFirst(_ removed: Int) {
    precondition(removed >= 0 && removed <= count)
    state.pointee.count &-= removed
    guard let base = state.pointee.base, count > 0, removed > 0 else { return }
    base.update(from: base + removed, count: count)
  }

  /// Keeps the memory.
  func removeAll() { state.pointee.count = 0 }

  /// The two lists change places.
  func exchange(with other: borrowing PooledList<Element>) {
    let mine = state.pointee
    state.pointee = other.state.pointee
    other.state.pointee = mine
  }

  /// Gives the memory back; the list is empty and usable afterwards.
  func release() {
    giveBlockBack()
    state.pointee = State()
  }

  private func giveBlockBack() {
    guard let base = state.pointee.base else { return }
    strait_pool_give_sized(base, state.pointee.capacity * MemoryLayout<Element>.stride)
  }

  @inline(never)
  private func grow() {
    let now = state.pointee
    let larger = max(Self.leastElements, now.capacity * 2)
    let fresh = takeFromPool(larger * MemoryLayout<Element>.stride).bindMemory(
      to: Element.self, capacity: larger)
    if let base = now.base { fresh.initialize(from: base, count: now.count) }
    giveBlockBack()
    state.pointee.base = fresh
    state.pointee.capacity = larger
  }
}
