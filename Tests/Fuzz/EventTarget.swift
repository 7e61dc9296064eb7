// Streams of events: only whole events pass, unchanged but for usage that nobody asked for, and what the edge knows of
// the stream follows from its documents.

@testable import EdgeDataPath
import StraitProtocol

enum EventTarget {
  static func run(_ input: FuzzInput) {
    let (endpoint, hidesUsage) = input.choice(of: [
      (Endpoint.chatCompletions, true), (.chatCompletions, false), (.completions, true), (.responses, false),
      (.messages, false),
    ])
    let stream = ReferenceStream(input.bytes)
    let borders = Set(stream.events.flatMap { [$0.range.upperBound, $0.range.upperBound - 1] } + [0])
    var first: EventVerdict?
    input.forEachPartition { pieces in
      let verdict = EventVerdict(pieces, endpoint, hidesUsage: hidesUsage) { passed in
        expect(hidesUsage || borders.contains(passed), "only whole events have passed at any time")
      }
      if let first { expectEqual(verdict, first, "a stream that comes in pieces is the same stream") }
      first = first ?? verdict
    }
    guard let verdict = first else { return }
    var expected = ExpectedStream(stream, endpoint, hidesUsage: hidesUsage)
    if expected.mayBeMalformedAtItsTail, verdict.end == .malformed { expected.endMalformed() }
    expectEqual(verdict.end, expected.end, "the stream ends as its documents say")
    expectEqual(
      verdict.tokens, expected.usage.counts(of: endpoint.dialect), "the counts are those of the documents")
    expectEqual(verdict.sawError, expected.sawError, "an error is seen")
    if hidesUsage {
      checkHidden(verdict.out, expected, input.bytes)
    } else {
      expectEqual(
        text(verdict.out), text(input.bytes[..<expected.passedEnd]), "whole events pass as they are")
    }
  }

  /// Event by event: the same bytes, or the same document without its usage.
  private static func checkHidden(_ out: [UInt8], _ expected: ExpectedStream, _ input: [UInt8]) {
    let isFromStart = expected.events.first.map { !isThereForUsage($0) } ?? true
    let passed = ReferenceStream(out, isFromStart: isFromStart)
    // An event that is taken out can leave a CR before a LF, which is one line end then: what is nothing but line ends
    // does not count.
    let some = passed.events.filter { !content($0, of: out).isEmpty }
    let kept = expected.events.filter { !isThereForUsage($0) && !content($0, of: input).isEmpty }
    expectEqual(some.count, kept.count, "an event that is there for more than usage passes")
    for (one, other) in zip(some, kept) {
      guard case .json(let tree) = other.document, tree.kind == .object, !tree.values("usage").isEmpty else {
        expectEqual(
          content(one, of: out), content(other, of: input), "an event without usage passes as it is")
        continue
      }
      guard case .json(let changed) = one.document else {
        expect(false, "an event without its usage is JSON: \(text(out[one.range]))")
        return
      }
      var wanted = tree
      wanted.members.removeAll { $0.key == Array("usage".utf8) }
      expectEqual(changed, wanted, "an event passes without its usage and else as it is")
    }
    expectEqual(text(out[passed.tail.range]), text(input[expected.tail]), "the last line may lack its end")
  }

  /// An event without the line ends at its end.
  private static func content(_ event: ReferenceEvent, of bytes: [UInt8]) -> String {
    text(bytes[event.range].reversed().drop { $0 == 0x0A || $0 == 0x0D }.reversed())
  }

  private static func isThereForUsage(_ event: ReferenceEvent) -> Bool {
    guard case .json(let tree) = event.document, tree.kind == .object, !tree.values("usage").isEmpty else {
      return false
    }
    let facts = ReferenceFacts(tree)
    return facts.hasEmptyChoices && facts.hasUsage
  }
}

/// What a reader has to make of a stream.
private struct ExpectedStream {
  private let endpoint: Endpoint
  /// The whole events that pass.
  private(set) var events = [ReferenceEvent]()
  private(set) var end = ResponseEnd.complete
  private(set) var usage = UsageFields()
  private(set) var sawError = false
  /// The part of an event that passes at the end.
  private(set) var tail = 0..<0
  /// Data that is no JSON may have been seen before its event ended, or may have looked like the beginning of some.
  private(set) var mayBeMalformedAtItsTail = false
  private var sawEnd = false

  /// How far the input passes.
  var passedEnd: Int { max(events.last?.range.upperBound ?? 0, tail.upperBound) }

  init(_ stream: ReferenceStream, _ endpoint: Endpoint, hidesUsage: Bool) {
    self.endpoint = endpoint
    for event in stream.events {
      // Of two usages, taking out one would let the other pass.
      guard !(hidesUsage && event.hasUsageTwice), note(event) else {
        end = .malformed
        return
      }
      events.append(event)
    }
    if case .malformed = stream.tail.document { mayBeMalformedAtItsTail = true }
    if !sawEnd, !sawError { _ = note(stream.tail) }
    guard sawEnd || sawError else {
      end = .cut
      return
    }
    tail = stream.tail.range
  }

  mutating func endMalformed() {
    end = .malformed
    tail = 0..<0
  }

  /// - Returns: false for what is no JSON
  private mutating func note(_ event: ReferenceEvent) -> Bool {
    switch event.document {
    case .none: return true
    case .malformed: return false
    case .done:
      if endpoint == .chatCompletions || endpoint == .completions { sawEnd = true }
    case .json(let tree):
      let facts = ReferenceFacts(tree)
      if facts.hasUsage, facts.usage.isTelling {
        if endpoint.dialect == .openAI { usage = facts.usage } else { usage.overwrite(with: facts.usage) }
      }
      if facts.hasError || event.isNamedError || ["error", "response.failed"].contains(facts.type) {
        sawError = true
      }
      let ends = ["message_stop", "response.completed", "response.incomplete", "response.failed"]
      if endpoint == .responses || endpoint == .messages, ends.contains(facts.type) { sawEnd = true }
    }
    return true
  }
}

private struct EventVerdict: Equatable {
  var out = [UInt8]()
  var end = ResponseEnd.complete
  var tokens = TokenCounts()
  var sawError = false
  var sawContent = false
  var sawTerminal = false
  var outputEvents: UInt64 = 0
  var outputBytes: UInt64 = 0

  init(_ pieces: [Piece], _ endpoint: Endpoint, hidesUsage: Bool, _ passed: (Int) -> Void) {
    var reader = ResponseReader(endpoint: endpoint, streamed: true, status: 200, hideUsage: hidesUsage)
    let queue = ByteQueue()
    for piece in pieces {
      _ = reader.consume(piece.bytes, into: queue)
      passed(queue.count)
    }
    end = reader.finish(into: queue)
    out = bytes(of: queue)
    if hasPlantedFault, reader.outputBytes > 12, pieces.count > 1 { out.removeLast() }
    tokens = reader.tokens
    sawError = reader.sawError
    sawContent = reader.sawContent
    sawTerminal = reader.sawTerminal
    outputEvents = reader.outputEvents
    outputBytes = reader.outputBytes
  }
}
