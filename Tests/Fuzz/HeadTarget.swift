// HTTP/1.1 heads: what is accepted is read a second time, line by line and without any haste, and must mean the same.

@testable import EdgeDataPath

enum HeadTarget {
  static func run(_ input: FuzzInput) {
    let kind = input.choice(of: [HTTP1MessageKind.request, .answer, .answerToHead])
    let whole = HeadVerdict(input.bytes, kind)
    if case .head(let length) = whole.step {
      let bytes = Array(input.bytes[..<length])
      let reference = ReferenceHead(bytes, kind)
      expectEqual(whole, reference.verdict(length), "an accepted head reads the same line by line")
      let again = reference.written
      expectEqual(
        HeadVerdict(again, kind), reference.verdict(again.count),
        "a head that is written again stays the same")
      checkBlock(bytes, kind, reference)
    }
    checkGrowth(input, kind, whole)
  }

  /// However the bytes come, the head is found at the same place or refused.
  private static func checkGrowth(_ input: FuzzInput, _ kind: HTTP1MessageKind, _ whole: HeadVerdict) {
    if input.bytes.count > 1024 { return }
    input.forEachPartition { pieces in
      var parser = HTTP1HeadParser(kind: kind)
      var head = HTTP1Head()
      var step = HTTP1HeadStep.needMore
      var length = 0
      for piece in pieces where step == .needMore {
        length += piece.bytes.count
        // The session's buffer moves when it grows.
        let arrived = Piece(input.bytes[..<length])
        step = parser.parse(arrived.bytes, into: &head)
      }
      if hasPlantedFault, case .head(let length) = step, head.count > 5, pieces.count > 1 {
        step = .head(length: length - 1)
      }
      switch (whole.step, step) {
      case (.invalid, .invalid): break
      default: expectEqual(step, whole.step, "a head that comes in pieces is the same head")
      }
    }
  }

  private static func checkBlock(_ bytes: [UInt8], _ kind: HTTP1MessageKind, _ reference: ReferenceHead) {
    let piece = Piece(bytes[...])
    var parser = HTTP1HeadParser(kind: kind)
    var head = HTTP1Head()
    _ = parser.parse(piece.bytes, into: &head)
    let block = HeaderBlock()
    if kind == .request {
      head.copyRequest(piece.bytes, into: block)
    } else {
      head.copyAnswer(piece.bytes, into: block)
    }
    let first = kind == .request ? 3 : 0
    expectEqual(block.count, first + reference.fields.count, "every field is copied")
    for (index, field) in reference.fields.enumerated() {
      expectEqual(text(block.nameBytes(first + index)), field.name.lowercased(), "names are in lower case")
      expectEqual(Array(block.valueBytes(first + index)), Array(field.value), "values stay as they are")
    }
  }
}

/// All that a parser says of a head.
struct HeadVerdict: Equatable {
  var step: HTTP1HeadStep
  var method = ""
  var target = ""
  var host = ""
  var status = 0
  var minorVersion = 1
  var framing = HTTP1Framing.none
  var keepAlive = true
  var expectsContinue = false
  var fields = [HeadField]()

  init(step: HTTP1HeadStep) { self.step = step }

  init(_ bytes: [UInt8], _ kind: HTTP1MessageKind) {
    let piece = Piece(bytes[...])
    var parser = HTTP1HeadParser(kind: kind)
    var head = HTTP1Head()
    step = parser.parse(piece.bytes, into: &head)
    guard case .head = step else { return }
    method = text(bytes[head.method])
    target = text(bytes[head.target])
    host = text(bytes[head.host])
    status = head.status
    minorVersion = head.minorVersion
    framing = head.framing
    keepAlive = head.keepAlive
    expectsContinue = head.expectsContinue
    for index in 0..<head.count {
      fields.append(HeadField(name: text(bytes[head[index].name]), value: bytes[head[index].value]))
    }
  }
}

struct HeadField: Equatable {
  var name: String
  var value: ArraySlice<UInt8>

  static func == (left: HeadField, right: HeadField) -> Bool {
    left.name == right.name && left.value.elementsEqual(right.value)
  }
}
