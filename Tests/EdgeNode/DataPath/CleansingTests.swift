import EdgeDataPath
import StraitProtocol
import Testing

/// Memory that held content is cleansed before it goes back to the pool.
@Suite struct CleansingTests {
  private static let canary = "a canary of content that nobody else may find"
  private static let answer = "{\"choices\":[{\"message\":{\"content\":\"\(canary)\"}}]}"

  @Test func aReaderOfAnAnswerLeavesNothingOfIt() {
    read(Self.answer, streamed: false)
    #expect(!isInPool(Self.canary))
  }

  @Test func aReaderOfEventsLeavesNothingOfThem() {
    let event = Self.answer.replacing("message", with: "delta")
    // What is not a whole event yet is held.
    read("data: \(event)\n\ndata: \(event)", streamed: true)
    #expect(!isInPool(Self.canary))
  }

  @Test func theControlWhatIsHeldIsFound() {
    let held = ByteQueue()
    held.append(string: Self.canary)
    #expect(isIn(held.readable, Self.canary))
  }

  private func read(_ text: String, streamed: Bool) {
    var reader = ResponseReader(endpoint: .chatCompletions, streamed: streamed, status: 200, hideUsage: false)
    let out = ByteQueue()
    _ = withBytes(text) { reader.consume($0, into: out) }
    let sawContent = reader.sawContent
    #expect(sawContent)
  }

  /// Looks into the next free block of each size.
  private func isInPool(_ text: String) -> Bool {
    stride(from: 504, through: 4088, by: 16).contains { size in
      let block = ByteQueue()
      return isIn(UnsafeRawBufferPointer(start: block.reserve(size), count: size), text)
    }
  }

  private func isIn(_ bytes: UnsafeRawBufferPointer, _ text: String) -> Bool {
    let sought = Array(text.utf8)
    return (0...bytes.count - sought.count).contains { start in
      sought.indices.allSatisfy { bytes[start + $0] == sought[$0] }
    }
  }
}
