// What an edge changes in a request's body: the model's name, where the offer knows it by another one, and the wish for
// usage in a stream, so that the answer can be metered. Every other byte goes on as it came.

/// One change of a body.
package struct BodyEdit: Sendable, Equatable {
  package enum Insertion: UInt8, Sendable {
    case upstreamModel
    /// Before the body's last brace; other members stand before it.
    case streamOptionsMember
    case streamOptionsValue
    /// Before the closing brace of `stream_options`.
    case includeUsageMember
    case includeUsageOnlyMember
    case trueValue
  }

  /// Bytes from the body's start.
  package var offset: Int
  package var removedLength: Int
  package var insertion: Insertion
}

/// The changes of one body, in the body's order.
package struct BodyEdits: Sendable {
  package private(set) var first: BodyEdit?
  package private(set) var second: BodyEdit?

  package var isEmpty: Bool { first == nil }

  init(_ one: BodyEdit?, _ other: BodyEdit?) {
    if let one, let other {
      first = one.offset < other.offset ? one : other
      second = one.offset < other.offset ? other : one
    } else {
      first = one ?? other
    }
  }

  /// The body's length after the changes, for `content-length`.
  /// - Parameter upstreamModel: looked at only when the model is mapped
  package func forwardedLength(of bodyLength: Int, upstreamModel: UnsafeRawBufferPointer) -> Int {
    var length = bodyLength
    if let first { length += first.growth(upstreamModel) }
    if let second { length += second.growth(upstreamModel) }
    return length
  }

  /// Appends the changed body to `out`.
  /// - Parameter body: the whole body as the reader consumed it
  package func write(
    _ body: UnsafeRawBufferPointer, upstreamModel: UnsafeRawBufferPointer, into out: borrowing ByteQueue
  ) {
    _ = write(body, from: 0, to: body.count, upstreamModel: upstreamModel, into: out)
  }

  /// Appends the next part of the changed body to `out`.
  /// - Parameters:
  ///   - bytes: the body from `start` on
  ///   - start: where the part before ended, bytes from the body's start
  ///   - end: where this part is to end; a change that begins before is written whole
  /// - Returns: where this part ended
  package func write(
    _ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int, upstreamModel: UnsafeRawBufferPointer,
    into out: borrowing ByteQueue
  ) -> Int {
    var position = start
    if let first, first.isWithin(start, end) {
      position = first.write(bytes, from: position, startingAt: start, upstreamModel, into: out)
    }
    if let second, second.isWithin(start, end) {
      position = second.write(bytes, from: position, startingAt: start, upstreamModel, into: out)
    }
    guard position < end else { return position }
    out.append(UnsafeRawBufferPointer(rebasing: bytes[(position - start)..<(end - start)]))
    return end
  }
}

extension RequestBodyReader {
  /// The changes that this body needs: of the whole body once `finish` has said that it is good, before that of what
  /// comes before `settledLength`.
  /// - Parameter mapsModel: the offer's upstream knows the model by another name
  package func edits(mapsModel: Bool) -> BodyEdits {
    var modelEdit: BodyEdit?
    if mapsModel {
      modelEdit = BodyEdit(
        offset: modelRange.lowerBound, removedLength: modelRange.count, insertion: .upstreamModel)
    }
    return BodyEdits(modelEdit, usageEdit)
  }

  /// The answer will tell usage to a client that did not ask for it: take it out again.
  package var mustHideUsage: Bool { endpoint.hidesUsage && stream && !includeUsage }

  /// The model is known, so that a route can be chosen.
  package var knowsModel: Bool { !modelRange.isEmpty }

  /// How much of what was consumed has changes that do not depend on what follows; bytes from the body's start.
  package var settledLength: Int {
    guard knowsModel else { return 0 }
    // Changes after the root's last brace there are none, and none before `stream_options` depends on it.
    guard endpoint.hidesUsage, rootEnd == 0 else { return length }
    if isReadingStreamOptions { return streamOptionsMember }
    guard streamOptions.start > 0 else { return length }
    let isOpen = streamOptions.shape == .absent
    return isOpen || !knowsStream ? streamOptions.start : length
  }

  private var usageEdit: BodyEdit? {
    guard mustHideUsage else { return nil }
    if usageMember.shape == .replaceable {
      return BodyEdit(
        offset: usageMember.start, removedLength: usageMember.end - usageMember.start,
        insertion: .trueValue)
    }
    switch streamOptions.shape {
    case .absent:
      guard rootEnd > 0 else { return nil }
      return BodyEdit(offset: rootEnd, removedLength: 0, insertion: .streamOptionsMember)
    case .replaceable:
      return BodyEdit(
        offset: streamOptions.start, removedLength: streamOptions.end - streamOptions.start,
        insertion: .streamOptionsValue)
    case .object:
      return BodyEdit(
        offset: streamOptions.end - 1, removedLength: 0, insertion: .includeUsageMember)
    case .emptyObject:
      return BodyEdit(
        offset: streamOptions.end - 1, removedLength: 0, insertion: .includeUsageOnlyMember)
    }
  }
}

extension BodyEdit {
  fileprivate var text: StaticString {
    switch insertion {
    case .upstreamModel: ""
    case .streamOptionsMember: ",\"stream_options\":{\"include_usage\":true}"
    case .streamOptionsValue: "{\"include_usage\":true}"
    case .includeUsageMember: ",\"include_usage\":true"
    case .includeUsageOnlyMember: "\"include_usage\":true"
    case .trueValue: "true"
    }
  }

  fileprivate func growth(_ upstreamModel: UnsafeRawBufferPointer) -> Int {
    if insertion != .upstreamModel { return text.utf8CodeUnitCount - removedLength }
    return JSONEscaping.length(of: upstreamModel) + 2 - removedLength
  }

  fileprivate func isWithin(_ start: Int, _ end: Int) -> Bool { offset >= start && offset < end }

  /// - Parameters:
  ///   - bytes: the body from `start` on
  ///   - position: where the body goes on, from its start as all places
  /// - Returns: where it goes on afterwards
  fileprivate func write(
    _ bytes: UnsafeRawBufferPointer, from position: Int, startingAt start: Int,
    _ upstreamModel: UnsafeRawBufferPointer, into out: borrowing ByteQueue
  ) -> Int {
    precondition(
      position <= offset && offset + removedLength - start <= bytes.count,
      "the body is not the one that was read")
    out.append(UnsafeRawBufferPointer(rebasing: bytes[(position - start)..<(offset - start)]))
    if insertion != .upstreamModel {
      out.append(text)
    } else {
      out.append(byte: UInt8(ascii: "\""))
      JSONEscaping.append(upstreamModel, into: out)
      out.append(byte: UInt8(ascii: "\""))
    }
    return offset + removedLength
  }
}
