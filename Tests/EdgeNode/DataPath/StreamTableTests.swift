import EdgeDataPath
import Testing

@Suite("The table of an upstream's streams")
struct StreamTableTests {
  @Test("it has what a dictionary has, whatever comes and goes", arguments: 1...20 as ClosedRange<UInt64>)
  func asDictionary(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var table = StreamTable<Int32>()
    var expected: [Int32: UnsafeMutablePointer<Int32>] = [:]
    var next: Int32 = 1
    // Sometimes most streams stay, so that it grows and numbers far apart meet; sometimes most end.
    for step in 0..<4000 {
      let stays = step / 500 % 2 == 0 ? 6 : 3
      if Int.random(in: 0..<10, using: &random) < stays {
        let stream = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        stream.initialize(to: next)
        table.insert(next, stream)
        expected[next] = stream
        next += 2 * Int32.random(in: 1...3, using: &random)
      } else if let id = expected.keys.sorted().randomElement(using: &random) {
        table.remove(id)
        expected.removeValue(forKey: id)?.deallocate()
        table.remove(id)
      }
      if step % 97 == 0 {
        for id in stride(from: 1, to: next + 2, by: 2) where table.find(id) != expected[id] {
          Issue.record("stream \(id) at step \(step), seed \(seed)")
        }
        let listed = (0..<table.capacity).compactMap { table.stream(at: $0)?.pointee }.sorted()
        #expect(listed == expected.keys.sorted() && table.count == expected.count)
      }
    }
    for (id, stream) in expected {
      table.remove(id)
      stream.deallocate()
    }
    table.rest()
    #expect(table.count == 0 && table.capacity == 32)
  }
}
