// Reads an upstream's answer as it passes to the client: takes the token counts from it, knows whether it is whole, and
// changes nothing but usage that the client did not ask for.

import StraitProtocol

package enum ReadStep: UInt8, Sendable {
  case more
  /// An event of the stream is not of its dialect. It does not go on, and nothing after it.
  case malformed
}

/// How an answer ended.
package enum ResponseEnd: UInt8, Sendable {
  case complete
  /// It stopped before its dialect's end.
  case cut
  /// It is not of its dialect.
  case malformed
}

/// One answer: `consume` for every piece of its body, then `finish`.
package struct ResponseReader: ~Copyable {
  package let endpoint: Endpoint
  /// The reader for the answer's shape, in memory of the pool: both are large, and an answer needs one at most. An
  /// answer with neither passes unread.
  private let events: UnsafeMutablePointer<EventStreamReader>?
  private let document: UnsafeMutablePointer<AnswerScanner>?
  private var documentLength = 0
  private var documentIsInvalid = false

  /// - Parameters:
  ///   - streamed: the answer's content type is `text/event-stream`
  ///   - status: the upstream's; only a 2xx is read, everything else passes as it is
  ///   - hideUsage: usage was asked for by the edge and not by the client
  ///   - isJSON: the content type is JSON; other bodies that are not streamed pass unread
  package init(endpoint: Endpoint, streamed: Bool, status: UInt16, hideUsage: Bool, isJSON: Bool = true) {
    self.endpoint = endpoint
    let isRead = (200..<300).contains(status) && status != 204 && status != 205
    if isRead, streamed {
      events = placeInPool(EventStreamReader(endpoint: endpoint, hidesUsage: hideUsage))
      document = nil
    } else if isRead, isJSON {
      events = nil
      document = placeInPool(AnswerScanner())
      document?.pointee.begin()
    } else {
      events = nil
      document = nil
    }
  }

  deinit {
    takeOutOfPool(events)
    takeOutOfPool(document)
  }

  /// Reads the next bytes, split anywhere, and appends to `out` what may go to the client.
  package mutating func consume(_ chunk: UnsafeRawBufferPointer, into out: borrowing ByteQueue) -> ReadStep {
    if let events {
      events.pointee.consume(chunk, into: out)
      return events.pointee.isMalformed ? .malformed : .more
    }
    out.append(chunk)
    if let document {
      if !documentIsInvalid { documentIsInvalid = !document.pointee.feed(chunk, base: documentLength) }
      documentLength &+= chunk.count
    }
    return .more
  }

  /// To be called once, when the upstream's body has ended.
  package mutating func finish(into out: borrowing ByteQueue) -> ResponseEnd {
    if let events { return events.pointee.finish(into: out) }
    guard let document else { return .complete }
    if documentIsInvalid || !document.pointee.finish(at: documentLength) {
      documentIsInvalid = true
      return document.pointee.isTruncated ? .cut : .malformed
    }
    return .complete
  }

  /// Bytes that wait here until more comes.
  package var heldBytes: Int { events?.pointee.heldBytes ?? 0 }

  // MARK: What the answer said

  /// The upstream's own counts, as far as it has told them; `source` is `none` while it has not.
  package var tokens: TokenCounts {
    if let events { return events.pointee.facts.usage.counts(of: endpoint.dialect) }
    if let document { return document.pointee.facts.usage.counts(of: endpoint.dialect) }
    return TokenCounts()
  }

  /// The model has said something: for a stream, text, a tool call or a delta that we do not know.
  package var sawContent: Bool {
    events?.pointee.facts.sawContent ?? document?.pointee.facts.hasContent ?? false
  }

  /// A 2xx that holds an error all the same.
  package var sawError: Bool {
    events?.pointee.facts.sawError ?? document?.pointee.facts.hasError ?? false
  }

  /// A stream's own mark of its end has come.
  package var sawTerminal: Bool {
    guard let events else { return false }
    return events.pointee.facts.sawDone || events.pointee.facts.sawTerminalEvent
  }

  /// Events with content, for an estimate where the upstream did not count.
  package var outputEvents: UInt64 { events?.pointee.facts.contentEvents ?? 0 }

  /// Bytes of text, reasoning and tool arguments, for an estimate where the upstream did not count.
  package var outputBytes: UInt64 {
    if let events { return events.pointee.facts.contentBytes }
    return UInt64(document?.pointee.facts.contentBytes ?? 0)
  }

  /// Where a malformed answer went wrong, for the log: a reason and a place, nothing of what stood there.
  package var fault: JSONFault {
    events?.pointee.fault ?? document?.pointee.fault ?? JSONFault(reason: "", offset: 0)
  }
}
