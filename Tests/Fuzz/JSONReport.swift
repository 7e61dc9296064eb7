// What a scanner reports of a document, once as the scanner says it and once as it follows from a tree.

@testable import EdgeDataPath

struct JSONReport: Equatable {
  enum Event { case began, ended }
  var event: Event
  var node: JSONNode
  var kind: JSONScanner.Kind
  /// Of a scalar, and of a container that begins.
  var start = 0
  /// Of what ended.
  var end = 0
  /// Of members, when they begin.
  var memberStart: Int?
  var isEmpty = false
  var text = [UInt8]()
  var textCount = 0
  var integer: UInt64?
}

extension JSONReport {
  /// What the scanner has just reported.
  init(_ scanner: JSONScanner, _ event: Event, isMember: Bool) {
    self.init(event: event, node: scanner.node, kind: scanner.kind)
    let isContainer = kind == .object || kind == .array
    if event == .ended {
      end = scanner.end
      isEmpty = isContainer && scanner.isEmpty
    }
    if event == .began || !isContainer {
      start = scanner.start
      memberStart = isMember ? scanner.memberStart : nil
    }
    if kind == .string {
      text = scanner.text.withBytes { Array($0) }
      textCount = scanner.text.count
    }
    if kind == .number { integer = scanner.isInteger ? scanner.integer : nil }
  }

  /// All reports of a document, in order.
  static func reports(of tree: JSONTree, _ schema: JSONSchema) -> [JSONReport] {
    var walk = JSONWalk(schema: schema)
    walk.visit(tree, as: .root, namedDepth: 0, memberStart: nil)
    return walk.reports
  }
}

private struct JSONWalk {
  let schema: JSONSchema
  var reports = [JSONReport]()

  mutating func visit(_ value: JSONTree, as node: JSONNode, namedDepth: Int, memberStart: Int?) {
    if node == .none { return }
    var report = JSONReport(event: .ended, node: node, kind: value.kind, start: value.range.lowerBound)
    report.memberStart = memberStart
    guard value.kind == .object || value.kind == .array else {
      report.end = value.range.upperBound
      if value.kind == .string {
        report.text = Array(value.bytes.prefix(InlineText.capacity))
        report.textCount = value.bytes.count
      }
      report.integer = value.count
      reports.append(report)
      return
    }
    if namedDepth == JSONScanner.reportDepthLimit { return }
    report.event = .began
    reports.append(report)
    for member in value.members {
      // A key that is longer than what is kept is none that a schema knows.
      let key = Piece(member.key.count > InlineText.capacity ? [] : member.key[...])
      visit(
        member.value, as: schema.node(under: node, key: key.bytes), namedDepth: namedDepth + 1,
        memberStart: member.comma ?? member.keyStart)
    }
    for element in value.elements {
      visit(element, as: schema.element(of: node), namedDepth: namedDepth + 1, memberStart: nil)
    }
    var end = JSONReport(event: .ended, node: node, kind: value.kind)
    end.end = value.range.upperBound
    end.isEmpty = value.isEmpty
    reports.append(end)
  }
}
