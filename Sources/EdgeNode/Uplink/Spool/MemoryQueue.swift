// Records that the disk does not take at the moment, in a ring of fixed size.

import StraitProtocol

/// A bounded queue of entries. Its memory is reserved at once and touched only when it is used.
struct MemoryQueue: ~Copyable {
  private let base: UnsafeMutablePointer<SpoolEntry>
  private let capacity: Int
  private var head = 0
  private(set) var count = 0

  init(capacity: Int) {
    self.capacity = max(1, capacity)
    base = .allocate(capacity: self.capacity)
  }

  deinit {
    base.deallocate()
  }

  /// - Returns: false when the queue is full
  mutating func push(_ entry: SpoolEntry) -> Bool {
    guard count < capacity else { return false }
    (base + (head + count) % capacity).initialize(to: entry)
    count += 1
    return true
  }

  var first: SpoolEntry? { count > 0 ? base[head] : nil }
  var last: SpoolEntry? { count > 0 ? base[(head + count - 1) % capacity] : nil }

  mutating func removeFirst() {
    precondition(count > 0)
    head = (head + 1) % capacity
    count -= 1
  }

  mutating func removeAll(through sequence: UInt64) {
    while let first, first.sequence <= sequence { removeFirst() }
  }

  /// The next entries behind the number, at most `limit`, with no number missing between them.
  func run(after sequence: UInt64, limit: Int) -> [SpoolEntry] {
    var run: [SpoolEntry] = []
    for offset in 0..<count where run.count < limit {
      let entry = base[(head + offset) % capacity]
      if entry.sequence <= sequence { continue }
      if let last = run.last, entry.sequence != last.sequence + 1 { break }
      run.append(entry)
    }
    return run
  }
}
