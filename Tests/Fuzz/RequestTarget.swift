// Bodies of requests: what the edge reads in them follows from the document, and what it changes changes nothing else.

@testable import EdgeDataPath
import StraitProtocol

enum RequestTarget {
  /// What an upstream calls the model.
  private static let upstreamModels = ["m", "vendor/model-1.5:free", "quote\"back\\slash", "tab\tnull\0é"]

  static func run(_ input: FuzzInput) {
    let endpoint = input.choice(of: [
      Endpoint.chatCompletions, .completions, .responses, .messages, .embeddings, .countTokens,
    ])
    var first: RequestVerdict?
    input.forEachPartition { pieces in
      checkPassingOn(pieces, input.bytes, endpoint)
      var reader = RequestBodyReader(endpoint: endpoint)
      let verdict = RequestVerdict(&reader, pieces)
      if let first { expectEqual(verdict, first, "a body that comes in pieces is the same body") }
      first = first ?? verdict
    }
    let tree = JSONTree(parsing: input.bytes)
    if tree == nil { expect(first?.fault != nil, "what is no JSON is refused") }
    // The scanner leaves UTF-8 to whoever keeps a string, and the model is kept.
    if let fault = first?.fault, fault.kind == .invalidJSON, fault.parameter != "model" {
      expect(tree == nil, "JSON is not refused for being none")
    }
    guard let verdict = first, verdict.fault == nil, let tree else { return }
    checkReading(verdict, tree, endpoint)
    checkEdits(input.bytes, tree, endpoint)
  }

  /// A body that is passed on as it comes ends as the one that is changed whole.
  private static func checkPassingOn(_ pieces: [Piece], _ body: [UInt8], _ endpoint: Endpoint) {
    let model = Piece(Array("another\"name".utf8)[...])
    var reader = RequestBodyReader(endpoint: endpoint)
    let out = ByteQueue()
    var read = 0
    var position = 0
    for piece in pieces {
      guard case .more = reader.consume(piece.bytes) else { return }
      read += piece.bytes.count
      position = passOn(body, from: position, to: reader.settledLength, of: read, reader, model, into: out)
    }
    guard case .more = reader.finish() else { return }
    position = passOn(body, from: position, to: read, of: read, reader, model, into: out)
    let whole = ByteQueue()
    let copy = Piece(body[...])
    reader.edits(mapsModel: true).write(copy.bytes, upstreamModel: model.bytes, into: whole)
    expectEqual(bytes(of: out), bytes(of: whole), "passed on as it comes, a body is the same")
  }

  private static func passOn(
    _ body: [UInt8], from start: Int, to end: Int, of read: Int, _ reader: RequestBodyReader, _ model: Piece,
    into out: borrowing ByteQueue
  ) -> Int {
    guard end > start else { return start }
    let rest = Piece(body[start..<read])
    return reader.edits(mapsModel: true).write(
      rest.bytes, from: start, to: end, upstreamModel: model.bytes, into: out)
  }

  private static func checkReading(_ verdict: RequestVerdict, _ tree: JSONTree, _ endpoint: Endpoint) {
    expectEqual(tree.kind, .object, "a body is an object")
    let models = tree.values("model")
    expectEqual(models.count, 1, "a body has one model")
    expectEqual(models.first?.kind, .string, "a model is a string")
    expectEqual(verdict.model, models.first?.bytes ?? [], "the model is the model")
    expect((1...256).contains(verdict.model.count), "a model has a length")
    expect(String(validating: verdict.model, as: UTF8.self) != nil, "a model is UTF-8")
    let flags = endpoint.generates ? tree.values("stream") : []
    expect(flags.count <= 1, "stream stands there once")
    expectEqual(verdict.stream, flags.first?.kind == .yes, "a stream is asked for")
    let bounds = ["max_tokens", "max_completion_tokens", "max_output_tokens"].flatMap(tree.values)
    let counts = endpoint.generates ? bounds.filter { $0.kind != .null }.map(\.count) : []
    expect(!counts.contains(nil), "a bound is a count")
    expectEqual(verdict.maxOutputTokens, counts.compactMap(\.self).max(), "the largest bound counts")
    if endpoint.hidesUsage {
      expect(tree.values("n").count <= 1, "n stands there once")
      expectEqual(verdict.choiceCount, tree.values("n").first?.count ?? 1, "n is n")
      let wish = tree.values("stream_options").first?.values("include_usage").first
      expectEqual(verdict.includeUsage, wish?.kind == .yes, "usage is wished for")
    }
  }

  /// The changed body parses to the same with the model and the wish for usage changed, and has the length that was told.
  private static func checkEdits(_ body: [UInt8], _ tree: JSONTree, _ endpoint: Endpoint) {
    let piece = Piece(body[...])
    var reader = RequestBodyReader(endpoint: endpoint)
    _ = RequestVerdict(&reader, [piece])
    for mapsModel in [false, true] {
      let name = upstreamModels[body.count % upstreamModels.count]
      let model = Piece(Array(name.utf8)[...])
      let edits = reader.edits(mapsModel: mapsModel)
      let out = ByteQueue()
      edits.write(piece.bytes, upstreamModel: model.bytes, into: out)
      if hasPlantedFault, body.count > 160 { out.append(byte: 0x7D) }
      expectEqual(
        out.count, edits.forwardedLength(of: body.count, upstreamModel: model.bytes),
        "the length is told rightly")
      if !mapsModel, !reader.mustHideUsage {
        expectEqual(bytes(of: out), body, "a body without edits stays as it is")
      }
      var expected = tree
      if mapsModel { expected.replace("model", with: .string(name)) }
      if reader.mustHideUsage { expected.wishForUsage() }
      expectEqual(
        JSONTree(parsing: bytes(of: out)), expected, "an edit changes what it should and nothing else")
    }
  }
}

extension JSONTree {
  fileprivate mutating func replace(_ key: String, with value: JSONTree) {
    for index in members.indices where members[index].key == Array(key.utf8) { members[index].value = value }
  }

  fileprivate mutating func wishForUsage() {
    var options = values("stream_options").first ?? .object([])
    if options.kind != .object { options = .object([]) }
    let wish = Self.object([("include_usage", JSONTree(.yes))])
    if options.values("include_usage").isEmpty {
      options.members += wish.members
    } else {
      options.replace("include_usage", with: JSONTree(.yes))
    }
    if values("stream_options").isEmpty {
      members += Self.object([("stream_options", options)]).members
    } else {
      replace("stream_options", with: options)
    }
  }
}

private struct RequestVerdict: Equatable {
  struct Fault: Equatable {
    var kind: BodyFault.Kind
    var reason: String
    var parameter: String
    var offset: Int
  }

  var fault: Fault?
  var model = [UInt8]()
  var modelRange = 0..<0
  var stream = false
  var includeUsage = false
  var maxOutputTokens: UInt64?
  var choiceCount: UInt64 = 1

  init(_ reader: inout RequestBodyReader, _ pieces: [Piece]) {
    for piece in pieces where fault == nil { note(reader.consume(piece.bytes)) }
    note(reader.finish())
    if fault != nil { return }
    model = reader.withModel { Array($0) }
    modelRange = reader.modelRange
    stream = reader.stream
    includeUsage = reader.includeUsage
    maxOutputTokens = reader.maxOutputTokens
    choiceCount = reader.choiceCount
  }

  private mutating func note(_ progress: RequestProgress) {
    guard case .invalid(let fault) = progress else { return }
    let said = Fault(
      kind: fault.kind, reason: fault.reason.description, parameter: fault.parameter.description,
      offset: fault.offset)
    if let earlier = self.fault { expectEqual(said, earlier, "a fault is said again") }
    self.fault = said
  }
}
