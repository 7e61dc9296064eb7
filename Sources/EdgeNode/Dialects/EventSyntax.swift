// The syntax of server-sent events (WHATWG HTML, section 9.2.6), line by line: which field a line is, and what the data
// of an event says, as JSON. Which bytes go on is decided in EventStreamReader.swift.

import Glibc

struct EventSyntax: Sendable {
  private enum Line: UInt8 {
    /// Not enough was seen to know the field.
    case start
    /// After `data:`, where one space may stand.
    case dataSpace
    case data
    case other
  }

  /// What the event's data turned out to be.
  private enum Document: UInt8 {
    case none
    /// `[DONE]`, or the beginning of it.
    case marker
    case json
  }

  private(set) var answer = AnswerScanner()
  /// The event is named `error`.
  private(set) var isNamedError = false
  private(set) var fault = JSONFault(reason: "", offset: 0)

  private var line = Line.start
  private var document = Document.none
  private var markerLength = 0
  private var dataLines = 0
  /// A byte order mark may stand at the very beginning.
  private var mayBeginWithMark = true
  /// The first bytes of a line whose field is not known yet.
  private var prefix = InlineArray<16, UInt8>(repeating: 0)
  private var prefixCount = 0

  private static let marker: StaticString = "[DONE]"

  var isDone: Bool { document == .marker && markerLength == Self.marker.utf8CodeUnitCount }
  var hasJSON: Bool { document == .json }
  /// Nothing of the current line was seen.
  var isAtLineStart: Bool { line == .start && prefixCount == 0 }

  /// To be called when an event has ended.
  mutating func beginEvent() {
    document = .none
    markerLength = 0
    dataLines = 0
    isNamedError = false
  }

  /// Takes bytes of one line, without its end.
  /// - Parameter base: where they stand in the event
  /// - Returns: false when the event's data is not JSON
  @inline(__always)
  mutating func takeLine(_ bytes: UnsafeRawPointer, _ count: Int, base: Int) -> Bool {
    if line == .data { return takeData(bytes, count, base: base) }
    if line == .other || count == 0 { return true }
    if line == .start && prefixCount == 0 && count > 6 && !mayBeginWithMark {
      let first = bytes.load(as: UInt8.self)
      if first == UInt8(ascii: "d"), memcmp(bytes, "data: ", 6) == 0 {
        beginData()
        return takeData(bytes + 6, count &- 6, base: base &+ 6)
      }
      if first != UInt8(ascii: "d") && first != UInt8(ascii: "e") {
        line = .other
        return true
      }
    }
    return takeUnknown(bytes, count, base: base)
  }

  /// At a line's end.
  mutating func endLine() {
    if line == .start && prefixCount > 0 {
      withUnsafeBytes(of: prefix) { bytes in
        let field = UnsafeRawBufferPointer(rebasing: bytes[..<prefixCount])
        if field.equals("event: error") || field.equals("event:error") { isNamedError = true }
      }
    }
    line = .start
    prefixCount = 0
    mayBeginWithMark = false
  }

  /// At an event's end.
  /// - Returns: false when the event's data is not JSON
  mutating func finishDocument(at offset: Int) -> Bool {
    switch document {
    case .none: return true
    case .json: if answer.finish(at: offset) { return true }
    case .marker:
      if isDone { return true }
      fault = JSONFault(reason: "unexpected end", offset: offset)
      return false
    }
    fault = answer.fault
    return false
  }

  // MARK: Fields

  /// Byte by byte, until the field is known.
  private mutating func takeUnknown(_ bytes: UnsafeRawPointer, _ count: Int, base: Int) -> Bool {
    var position = 0
    while position < count {
      let byte = bytes.load(fromByteOffset: position, as: UInt8.self)
      if line == .dataSpace {
        line = .data
        if byte == UInt8(ascii: " ") { position += 1 }
        return takeData(bytes + position, count - position, base: base + position)
      }
      guard prefixCount < 16 else {
        line = .other
        return true
      }
      prefix[prefixCount] = byte
      prefixCount += 1
      position += 1
      if prefixCount == 3 && mayBeginWithMark && prefixEquals("\u{FEFF}") {
        prefixCount = 0
        mayBeginWithMark = false
      }
      if prefixCount == 5 && prefixEquals("data:") {
        beginData()
        line = .dataSpace
      }
    }
    return true
  }

  private func prefixEquals(_ text: StaticString) -> Bool {
    withUnsafeBytes(of: prefix) { UnsafeRawBufferPointer(rebasing: $0[..<prefixCount]).equals(text) }
  }

  @inline(__always)
  private mutating func beginData() {
    line = .data
    prefixCount = 0
    dataLines &+= 1
    if dataLines > 1 { joinLines() }
  }

  /// Several data lines join with a line feed. Where none may stand it is an error, and the next bytes say so.
  @inline(never)
  private mutating func joinLines() {
    if document == .marker && !isDone {
      document = .json
      answer.begin()
      _ = answer.feed(UnsafeRawBufferPointer(start: Self.marker.utf8Start, count: markerLength), base: 0)
    }
    guard document == .json else { return }
    withUnsafeBytes(of: UInt8(0x0A)) { _ = answer.feed($0, base: 0) }
  }

  // MARK: Data

  @inline(__always)
  private mutating func takeData(_ bytes: UnsafeRawPointer, _ count: Int, base: Int) -> Bool {
    if document == .json { return feed(bytes, count, base: base) }
    if count == 0 { return true }
    if document == .none && bytes.load(as: UInt8.self) != UInt8(ascii: "[") {
      document = .json
      answer.begin()
      return feed(bytes, count, base: base)
    }
    return takeMarker(bytes, count, base: base)
  }

  private mutating func takeMarker(_ bytes: UnsafeRawPointer, _ count: Int, base: Int) -> Bool {
    document = .marker
    var position = 0
    while position < count {
      let byte = bytes.load(fromByteOffset: position, as: UInt8.self)
      if isDone {
        guard byte == 0x20 else {
          fault = JSONFault(reason: "unexpected data after [DONE]", offset: base + position)
          return false
        }
      } else if byte == Self.marker.utf8Start[markerLength] {
        markerLength += 1
      } else {
        // Not the marker after all: what was taken for it is known, so it can be read again as JSON.
        document = .json
        answer.begin()
        return feed(Self.marker.utf8Start, markerLength, base: base + position - markerLength)
          && feed(bytes + position, count - position, base: base + position)
      }
      position += 1
    }
    return true
  }

  @inline(__always)
  private mutating func feed(_ bytes: UnsafeRawPointer, _ count: Int, base: Int) -> Bool {
    if answer.feed(UnsafeRawBufferPointer(start: bytes, count: count), base: base) { return true }
    fault = answer.fault
    return false
  }
}
