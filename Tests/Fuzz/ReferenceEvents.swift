// A stream of server-sent events (WHATWG HTML, section 9.2.6), cut into lines and events with nothing passing by.

@testable import EdgeDataPath

struct ReferenceEvent {
  enum Document {
    /// There is no data, or none but empty lines.
    case none
    case done
    case json(JSONTree)
    case malformed
  }

  /// The empty line at its end included.
  var range: Range<Int>
  var dataLines = [ArraySlice<UInt8>]()
  var isNamedError = false

  var data: [UInt8] { Array(dataLines.joined(separator: [0x0A])) }

  var document: Document {
    if dataLines.allSatisfy(\.isEmpty) { return .none }
    // Empty lines before a mark of the end: clients stumble over them, and the edge need not.
    let data = Array(data.drop { $0 == 0x0A })
    let marker = Array("[DONE]".utf8)
    if data.starts(with: marker), data.dropFirst(marker.count).allSatisfy({ $0 == 0x20 || $0 == 0x0A }) {
      return .done
    }
    return JSONTree(parsing: data).map { .json($0) } ?? .malformed
  }
}

extension ReferenceEvent {
  var hasUsageTwice: Bool {
    guard case .json(let tree) = document else { return false }
    return tree.values("usage").count > 1
  }
}

struct ReferenceStream {
  private(set) var events = [ReferenceEvent]()
  /// What follows the last whole event.
  private(set) var tail: ReferenceEvent

  /// - Parameter isFromStart: a byte order mark may stand at the beginning
  init(_ bytes: [UInt8], isFromStart: Bool = true) {
    tail = ReferenceEvent(range: 0..<0)
    var position = isFromStart && bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    while position < bytes.count {
      let start = position
      while position < bytes.count, bytes[position] != 0x0A, bytes[position] != 0x0D { position += 1 }
      let line = bytes[start..<position]
      let isEnded = position < bytes.count
      if isEnded { position += bytes[position...].starts(with: [0x0D, 0x0A]) ? 2 : 1 }
      tail.range = tail.range.lowerBound..<position
      if isEnded, line.isEmpty {
        events.append(tail)
        tail = ReferenceEvent(range: position..<position)
      } else {
        Self.note(line, isEnded, in: &tail)
      }
    }
    tail.range = tail.range.lowerBound..<bytes.count
  }

  private static func note(_ line: ArraySlice<UInt8>, _ isEnded: Bool, in event: inout ReferenceEvent) {
    if line.starts(with: Array("data:".utf8)) {
      let value = line.dropFirst(5)
      event.dataLines.append(value.first == 0x20 ? value.dropFirst() : value)
    } else if isEnded, ["event: error", "event:error"].contains(text(line)) {
      event.isNamedError = true
    }
  }
}

/// What a document of an upstream says, from its tree.
struct ReferenceFacts {
  var usage = UsageFields()
  var hasUsage = false
  var hasEmptyChoices = false
  var hasError = false
  var type = ""

  init(_ tree: JSONTree) {
    for report in JSONReport.reports(of: tree, .answer) {
      switch (report.event, report.node) {
      case (.began, .usage): if report.kind == .object { hasUsage = true }
      case (.began, _): break
      case (_, .choices): hasEmptyChoices = report.kind == .array && report.isEmpty
      case (_, .error): hasError = Self.isTruthy(report)
      case (_, .type): if report.kind == .string { type = text(report.text) }
      default: if let count = report.integer { usage.set(report.node, count) }
      }
    }
  }

  private static func isTruthy(_ report: JSONReport) -> Bool {
    switch report.kind {
    case .object, .array: !report.isEmpty
    case .string: report.textCount > 0
    case .number: report.integer != 0
    case .yes: true
    case .no, .null: false
    }
  }
}
