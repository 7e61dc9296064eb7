// The JSON scanner: it takes exactly what is JSON, and reports exactly what a tree of the document holds.

@testable import EdgeDataPath

enum JSONTarget {
  static func run(_ input: FuzzInput) {
    let schema = input.choice(of: [JSONSchema.answer, .request])
    var first: JSONVerdict?
    input.forEachPartition { pieces in
      let verdict = JSONVerdict(pieces, schema)
      if let first { expectEqual(verdict, first, "a document that comes in pieces is the same document") }
      first = first ?? verdict
    }
    let tree = JSONTree(parsing: input.bytes)
    expectEqual(first?.isValid, tree != nil, "what is JSON is taken, and nothing else")
    if let tree {
      // Only the end of the input ends a number that is the whole document, and that is no report any more.
      if tree.kind == .number, tree.range.upperBound == input.bytes.count { return }
      expectEqual(first?.reports, JSONReport.reports(of: tree, schema), "reports follow from the document")
    }
  }
}

private struct JSONVerdict: Equatable {
  var reports = [JSONReport]()
  var isValid = false
  var faultReason = ""
  var faultOffset = 0

  init(_ pieces: [Piece], _ schema: JSONSchema) {
    var scanner = JSONScanner(schema: schema)
    var length = 0
    isValid = pieces.allSatisfy { piece in
      defer { length += piece.bytes.count }
      return scan(&scanner, piece.bytes, length)
    }
    isValid = isValid && scanner.finish(at: length) == .more
    expectEqual(isValid, scanner.isComplete, "a good document is complete")
    if isValid { return }
    faultReason = scanner.fault.reason.description
    faultOffset = scanner.fault.offset
  }

  private mutating func scan(_ scanner: inout JSONScanner, _ bytes: UnsafeRawBufferPointer, _ base: Int)
    -> Bool
  {
    var position = 0
    while true {
      switch scanner.scan(bytes, from: &position, base: base) {
      case .more:
        expectEqual(position, bytes.count, "all bytes are read")
        return true
      case .began: note(scanner, .began)
      case .ended: note(scanner, .ended)
      case .invalid: return false
      }
    }
  }

  private mutating func note(_ scanner: JSONScanner, _ event: JSONReport.Event) {
    // The innermost open container that has a name is the parent; of a container that begins, the one before it.
    let isContainer = scanner.kind == .object || scanner.kind == .array
    let parent = event == .began ? scanner.containers >> 1 : scanner.containers
    let depth = event == .began ? scanner.depth - 1 : scanner.depth
    let isMember = depth > 0 && parent & 1 == 1 && !(isContainer && event == .ended)
    if hasPlantedFault, scanner.end > 300 { return }
    reports.append(JSONReport(scanner, event, isMember: isMember))
  }
}
