import EdgeDataPath
import Testing

@Suite struct ByteQueueTests {
  @Test func aQueueThatIsReadWhileItFillsKeepsItsOrderAndASmallBlock() {
    let queue = ByteQueue()
    let piece = 64 * 1024
    let kept = 96 * 1024
    var appended: UInt64 = 0
    var consumed: UInt64 = 0
    for round in 0..<1000 {
      append(words: piece / 8, to: queue, &appended)
      // What is left changes, so that the front stands anywhere.
      consume(downTo: kept - round % 97 * 8, of: queue, &consumed)
      #expect(queue.heldBytes <= 256 * 1024)
    }
    consume(downTo: 0, of: queue, &consumed)
    #expect(consumed == appended)
  }

  private func append(words: Int, to queue: borrowing ByteQueue, _ next: inout UInt64) {
    for _ in 0..<words {
      queue.reserve(8).storeBytes(of: next, as: UInt64.self)
      queue.produced(8)
      next += 1
    }
  }

  private func consume(downTo count: Int, of queue: borrowing ByteQueue, _ next: inout UInt64) {
    var isInOrder = true
    while queue.count > count {
      isInOrder = isInOrder && queue.readable.loadUnaligned(as: UInt64.self) == next
      queue.consume(8)
      next += 1
    }
    #expect(isInOrder)
  }
}
