// A list of objects that it keeps alive. As a `ByteQueue`, it keeps its state behind a pointer and its methods do not
// mutate it: a class can hold lists as constants, and the data path pays for no exclusivity checks.

struct ObjectList<Element: AnyObject>: ~Copyable {
  private let state = UnsafeMutablePointer<ContiguousArray<Element>>.allocate(capacity: 1)

  init() {
    state.initialize(to: [])
  }

  deinit {
    state.deinitialize(count: 1)
    state.deallocate()
  }

  /// Those that are in it now, to go through while it may change.
  var snapshot: ContiguousArray<Element> { state.pointee }
  var count: Int { state.pointee.count }
  var isEmpty: Bool { state.pointee.isEmpty }
  var first: Element? { state.pointee.first }
  var last: Element? { state.pointee.last }

  subscript(index: Int) -> Element { state.pointee[index] }

  func append(_ element: Element) { state.pointee.append(element) }
  func removeFirst() -> Element { state.pointee.removeFirst() }
  func popLast() -> Element? { state.pointee.popLast() }
  func removeAll() { state.pointee.removeAll() }
  func removeAll(where isUnwanted: (Element) -> Bool) { state.pointee.removeAll(where: isUnwanted) }
}
