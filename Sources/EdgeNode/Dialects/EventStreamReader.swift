// Lets a stream of events pass, whole events only: a client never sees half of one, one that is no JSON goes no further,
// and usage that the client did not ask for is taken out. Runs of events that need no change are copied at once.

import StraitProtocol

struct EventStreamReader: ~Copyable {
  /// How much of an event is held back until it is whole. A longer one (the last event of the Responses API repeats the
  /// whole answer) is read all the same, but passes unchanged and as it comes.
  static let heldLimit = 64 * 1024

  let endpoint: Endpoint
  let hidesUsage: Bool
  private(set) var facts = StreamFacts()
  private(set) var isMalformed = false

  private var syntax = EventSyntax()
  /// The bytes of an event that is not whole.
  private let held = ByteQueue()
  private static let keptBytes = 4096
  var heldBytes: Int { held.count }
  /// The event under way was longer than what is held back: its beginning has gone on.
  private var overruns = false
  /// The last chunk ended with a CR; a LF at the next one's start belongs to it.
  private var awaitsLineFeed = false
  private var lastWasDropped = false
  private var usageFault: JSONFault?

  /// The chunk at hand, and how far it has been dealt with.
  private struct Passage {
    let bytes: UnsafeRawPointer
    let count: Int
    var position = 0
    /// Where the bytes begin that go on as they are.
    var runStart = 0
    /// Where the event under way begins; 0 also for one that began in an earlier chunk.
    var eventStart = 0
    /// How many of its bytes came in earlier chunks.
    var heldCount: Int

    func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(start: bytes + range.lowerBound, count: range.count)
    }
  }

  init(endpoint: Endpoint, hidesUsage: Bool) {
    self.endpoint = endpoint
    self.hidesUsage = hidesUsage
  }

  var fault: JSONFault { usageFault ?? syntax.fault }

  /// Reads a chunk and appends to `out` what may go on. After a malformed event nothing more is read or goes on.
  mutating func consume(_ chunk: UnsafeRawBufferPointer, into out: borrowing ByteQueue) {
    guard let bytes = chunk.baseAddress, chunk.count > 0, !isMalformed else { return }
    var passage = Passage(bytes: bytes, count: chunk.count, heldCount: held.count)
    takeLineFeed(&passage)
    while passage.position < passage.count {
      guard takeLine(&passage, into: out) else {
        isMalformed = true
        passRun(&passage, into: out)
        return
      }
    }
    passRun(&passage, into: out)
    hold(passage.slice(passage.eventStart..<passage.count), into: out)
  }

  /// At the upstream's end.
  mutating func finish(into out: borrowing ByteQueue) -> ResponseEnd {
    if isMalformed { return .malformed }
    // Some servers leave out the last empty line. The event counts, and goes on, if it makes the stream whole.
    if !facts.isWhole(endpoint), !syntax.isAtLineStart || !held.isEmpty, syntax.finishDocument(at: held.count)
    {
      noteDocument()
    }
    guard facts.isWhole(endpoint) else { return .cut }
    out.append(held.readable)
    held.release()
    return .complete
  }

  // MARK: Lines

  /// - Returns: false when the event is malformed
  @inline(__always)
  private mutating func takeLine(_ passage: inout Passage, into out: borrowing ByteQueue) -> Bool {
    let start = passage.position
    let length = lineLength(passage.bytes + start, passage.count &- start)
    let base = start &- passage.eventStart &+ passage.heldCount
    if length > 0, !syntax.takeLine(passage.bytes + start, length, base: base) { return false }
    passage.position = start &+ length
    if passage.position == passage.count { return true }
    takeLineEnd(&passage)
    // A byte order mark alone makes no line.
    let isEmpty = syntax.isAtLineStart
    syntax.endLine()
    if !isEmpty { return true }
    return endEvent(&passage, into: out)
  }

  @inline(__always)
  private mutating func takeLineEnd(_ passage: inout Passage) {
    let isCarriageReturn = passage.bytes.load(fromByteOffset: passage.position, as: UInt8.self) == 0x0D
    passage.position &+= 1
    guard isCarriageReturn else { return }
    if passage.position == passage.count {
      awaitsLineFeed = true
    } else if passage.bytes.load(fromByteOffset: passage.position, as: UInt8.self) == 0x0A {
      passage.position &+= 1
    }
  }

  /// The second half of a line end that was split.
  private mutating func takeLineFeed(_ passage: inout Passage) {
    guard awaitsLineFeed else { return }
    awaitsLineFeed = false
    guard passage.bytes.load(as: UInt8.self) == 0x0A else { return }
    passage.position = 1
    guard held.isEmpty, !overruns else { return }
    // The event has ended already: the line feed goes the way that its event went.
    passage.eventStart = 1
    if lastWasDropped { passage.runStart = 1 }
  }

  // MARK: Events

  private mutating func endEvent(_ passage: inout Passage, into out: borrowing ByteQueue) -> Bool {
    let end = passage.position
    guard syntax.finishDocument(at: end &- passage.eventStart &+ passage.heldCount) else { return false }
    let document = syntax.answer.facts
    let isChanged = hidesUsage && syntax.hasJSON && document.hasUsageMember && !overruns
    if isChanged, document.hasUsageTwice {
      usageFault = JSONFault(reason: "usage stands there twice", offset: document.usageStart)
      return false
    }
    noteDocument()
    syntax.beginEvent()
    lastWasDropped = false
    if isChanged {
      passChanged(&passage, document, into: out)
    } else {
      passHeld(into: out)
    }
    passage.eventStart = end
    passage.heldCount = 0
    overruns = false
    return true
  }

  private mutating func noteDocument() {
    if syntax.isDone {
      facts.sawDone = true
    } else if syntax.hasJSON {
      facts.note(syntax.answer.facts, isNamedError: syntax.isNamedError, dialect: endpoint.dialect)
    }
  }

  /// The event goes on without its usage, or not at all when it was there for nothing else.
  private mutating func passChanged(
    _ passage: inout Passage, _ document: AnswerFacts, into out: borrowing ByteQueue
  ) {
    let end = passage.position
    out.append(passage.slice(passage.runStart..<passage.eventStart))
    passage.runStart = end
    lastWasDropped = document.hasEmptyChoices && document.hasUsage
    if !held.isEmpty { held.append(passage.slice(passage.eventStart..<end)) }
    let event = held.isEmpty ? passage.slice(passage.eventStart..<end) : held.readable
    if !lastWasDropped { Self.passWithoutUsage(event, document, into: out) }
    emptyHeld()
  }

  /// Cuts out `usage` and one comma.
  private static func passWithoutUsage(
    _ event: UnsafeRawBufferPointer, _ document: AnswerFacts, into out: borrowing ByteQueue
  ) {
    out.append(UnsafeRawBufferPointer(rebasing: event[..<document.usageStart]))
    var rest = document.usageEnd
    // Where it comes first, its comma is the one behind it; there is none where it is the only member.
    if document.usageIsFirst, let comma = comma(in: event, after: rest) {
      out.append(UnsafeRawBufferPointer(rebasing: event[rest..<comma]))
      rest = comma + 1
    }
    out.append(UnsafeRawBufferPointer(rebasing: event[rest...]))
  }

  /// The comma that comes next in an event's data, be it on another line.
  private static func comma(in event: UnsafeRawBufferPointer, after start: Int) -> Int? {
    var position = start
    while position < event.count, event[position] <= 0x20 {
      let endsLine = event[position] == 0x0A || event[position] == 0x0D
      position += 1
      if !endsLine { continue }
      if UnsafeRawBufferPointer(rebasing: event[position...]).starts(with: "data:") {
        position += 5
      } else {
        while position < event.count, event[position] != 0x0A, event[position] != 0x0D { position += 1 }
      }
    }
    return position < event.count && event[position] == UInt8(ascii: ",") ? position : nil
  }

  // MARK: Bytes

  /// What was held has gone on. A large block is not kept for an event that may never come.
  private func emptyHeld() {
    if held.heldBytes > Self.keptBytes { held.release() } else { held.consume(held.count) }
  }

  /// What was held of an event goes on before its last part does.
  @inline(__always)
  private mutating func passHeld(into out: borrowing ByteQueue) {
    if held.isEmpty { return }
    out.append(held.readable)
    emptyHeld()
  }

  private mutating func passRun(_ passage: inout Passage, into out: borrowing ByteQueue) {
    out.append(passage.slice(passage.runStart..<passage.eventStart))
    passage.runStart = passage.eventStart
  }

  private mutating func hold(_ bytes: UnsafeRawBufferPointer, into out: borrowing ByteQueue) {
    if bytes.isEmpty { return }
    if !overruns && held.count + bytes.count <= Self.heldLimit {
      held.append(bytes)
      return
    }
    out.append(held.readable)
    held.release()
    out.append(bytes)
    overruns = true
  }
}

/// What a stream has said so far.
struct StreamFacts: Sendable {
  var usage = UsageFields()
  var sawDone = false
  var sawTerminalEvent = false
  var sawError = false
  var sawContent = false
  var contentEvents: UInt64 = 0
  var contentBytes: UInt64 = 0

  mutating func note(_ document: AnswerFacts, isNamedError: Bool, dialect: Dialect) {
    if document.hasUsage && document.usage.isTelling {
      switch dialect {
      case .openAI: usage = document.usage
      case .anthropic: usage.overwrite(with: document.usage)
      }
    }
    if document.hasContent {
      sawContent = true
      contentEvents &+= 1
      contentBytes &+= UInt64(document.contentBytes)
    }
    if document.hasError || isNamedError || document.type == .error || document.type == .failed {
      sawError = true
    }
    if document.type == .terminal || document.type == .failed { sawTerminalEvent = true }
  }

  /// The stream has come to its dialect's end, or to an error that ends it.
  func isWhole(_ endpoint: Endpoint) -> Bool {
    if sawError { return true }
    switch endpoint {
    case .chatCompletions, .completions: return sawDone
    case .responses, .messages: return sawTerminalEvent
    case .embeddings, .countTokens, .models: return true
    }
  }
}
