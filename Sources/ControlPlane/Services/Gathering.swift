// Answers many callers with one question: while one round is under way, those who come are gathered for the next.
//
// A fleet that comes back asks the database the same of each edge. One at a time that is thousands of queries in a few
// seconds; gathered, it is as many as fit one after the other.

package actor Gathering<Item: Sendable, Answer: Sendable> {
  private let round: @Sendable ([Item]) async throws -> [Answer]
  private let limit: Int
  private var waiting: [(item: Item, answer: CheckedContinuation<Answer, any Error>)] = []
  private var isAsking = false

  /// - Parameters:
  ///   - limit: items of one round
  ///   - round: gives an answer for each item, in their order; what it throws, every caller of the round gets
  package init(limit: Int = 500, round: @escaping @Sendable ([Item]) async throws -> [Answer]) {
    self.limit = limit
    self.round = round
  }

  package func ask(_ item: Item) async throws -> Answer {
    try await withCheckedThrowingContinuation { answer in
      waiting.append((item, answer))
      guard !isAsking else { return }
      isAsking = true
      Task { await askAll() }
    }
  }

  private func askAll() async {
    while !waiting.isEmpty {
      let callers = Array(waiting.prefix(limit))
      waiting.removeFirst(callers.count)
      do {
        let answers = try await round(callers.map(\.item))
        precondition(answers.count == callers.count, "an answer for each item")
        for (caller, answer) in zip(callers, answers) { caller.answer.resume(returning: answer) }
      } catch {
        for caller in callers { caller.answer.resume(throwing: error) }
      }
    }
    isAsking = false
  }
}
