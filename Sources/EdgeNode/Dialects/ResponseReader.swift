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
  private enum Shape: UInt8 { case events, document, opaque }

  package let endpoint: Endpoint
  private let shape: Shape
  private var events: EventStreamReader
  private var document = AnswerScanner()
  private var documentLength = 0
  private var documentIsInvalid = false

  /// - Parameters:
  ///   - streamed: the answer's content type is `text/event-stream`
  ///   - status: the upstream's; only a 2xx is read, everything else passes as it is
  ///   - hideUsage: usage was asked for by the edge and not by the client
  ///   - isJSON: the content type is JSON; other bodies that are not streamed pass unread
  package init(endpoint: Endpoint, streamed: Bool, status: UInt16, hideUsage: Bool, isJSON: Bool = true) {
    self.endpoint = endpoint
    events = EventStreamReader(endpoint: endpoint, hidesUsage: hideUsage)
    let isRead = (200..<300).contains(status) && status != 204 && status != 205
    if !isRead {
      shape = .opaque
    } else if streamed {
      shape = .events
    } else {
      shape = isJSON ? .document : .opaque
    }
    if shape == .document { document.begin() }
  }

  /// Reads the next bytes, split anywhere, and appends to `out` what may go to the client.
  package mutating func consume(_ chunk: UnsafeRawBufferPointer, into out: inout ByteQueue) -> ReadStep {
    switch shape {
    case .events:
      events.consume(chunk, into: &out)
      return events.isMalformed ? .malformed : .more
    case .document:
      out.append(chunk)
      if !documentIsInvalid { documentIsInvalid = !document.feed(chunk, base: documentLength) }
      documentLength &+= chunk.count
      return .more
    case .opaque:
      out.append(chunk)
      return .more
    }
  }

  /// To be called once, when the upstream's body has ended.
  package mutating func finish(into out: inout ByteQueue) -> ResponseEnd {
    switch shape {
    case .opaque: return .complete
    case .events: return events.finish(into: &out)
    case .document:
      if documentIsInvalid || !document.finish(at: documentLength) {
        documentIsInvalid = true
        return document.isTruncated ? .cut : .malformed
      }
      return .complete
    }
  }

  // MARK: What the answer said

  /// The upstream's own counts, as far as it has told them; `source` is `none` while it has not.
  package var tokens: TokenCounts {
    switch shape {
    case .events: events.facts.usage.counts(of: endpoint.dialect)
    case .document: document.facts.usage.counts(of: endpoint.dialect)
    case .opaque: TokenCounts()
    }
  }

  /// The model has said something: for a stream, text, a tool call or a delta that we do not know.
  package var sawContent: Bool {
    shape == .events ? events.facts.sawContent : document.facts.hasContent
  }

  /// A 2xx that holds an error all the same.
  package var sawError: Bool {
    switch shape {
    case .events: events.facts.sawError
    case .document: document.facts.hasError
    case .opaque: false
    }
  }

  /// A stream's own mark of its end has come.
  package var sawTerminal: Bool {
    shape == .events && (events.facts.sawDone || events.facts.sawTerminalEvent)
  }

  /// Events with content, for an estimate where the upstream did not count.
  package var outputEvents: UInt64 { shape == .events ? events.facts.contentEvents : 0 }

  /// Bytes of text, reasoning and tool arguments, for an estimate where the upstream did not count.
  package var outputBytes: UInt64 {
    shape == .events ? events.facts.contentBytes : UInt64(document.facts.contentBytes)
  }

  /// Where a malformed answer went wrong, for the log: a reason and a place, nothing of what stood there.
  package var fault: JSONFault { shape == .events ? events.fault : document.fault }
}
