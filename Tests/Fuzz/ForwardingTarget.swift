// The fields of a head on their way to the other side: those of one hop, those that `connection` names, credentials,
// addresses and accounts stay behind; all others pass as they are, in order, and the edge adds its own once.

@testable import EdgeDataPath
import Glibc
import StraitProtocol

enum ForwardingTarget {
  /// Fields of one hop, credentials, addresses, accounts, and what an edge says for itself.
  private static let neither: Set<String> = [
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer",
    "transfer-encoding", "upgrade", "accept-encoding", "alt-svc", "anthropic-organization-id",
    "authorization",
    "content-length", "cookie", "expect", "forwarded", "host", "openai-organization", "openai-project",
    "request-id",
    "set-cookie", "strict-transport-security", "x-api-key", "x-forwarded-for", "x-forwarded-host",
    "x-forwarded-proto", "x-real-ip",
  ]
  /// Edges take no coded bodies; the others are for answers.
  private static let notInRequests = neither.union(["content-encoding", "retry-after", "server"])
  /// An answer carries the edge's own.
  private static let notInAnswers = neither.union(["x-request-id"])

  static func run(_ input: FuzzInput) {
    let fields = Self.fields(input.bytes)
    let block = HeaderBlock()
    for field in fields { block.append(Piece(Array(field.name.utf8)[...]).bytes, Piece(field.value).bytes) }
    let named = Set(
      fields.filter { $0.name == "connection" }.flatMap { text($0.value).lowercased().split(separator: ",") }
        .map { trimmed($0) })
    checkRequest(input, block, fields, named)
    checkAnswer(block, fields, named)
  }

  /// Lines of the form `name: value`, with what a session lets through: names in lower case, values without controls.
  private static func fields(_ bytes: [UInt8]) -> [HeadField] {
    bytes.split(separator: 0x0A).compactMap { line in
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else { return nil }
      let name = line[..<colon]
      let value = line[(colon + 1)...].drop { $0 == 0x20 }
      guard name.allSatisfy(HTTP1Characters.isToken), !name.contains(where: { (0x41...0x5A).contains($0) }),
        value.allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x09 })
      else { return nil }
      return HeadField(name: text(name), value: value)
    }
  }

  private static func checkRequest(
    _ input: FuzzInput, _ block: borrowing HeaderBlock, _ fields: [HeadField], _ named: Set<String>
  ) {
    let upstream = input.choice(of: upstreams)
    let query = Piece(Array((fields.count % 2 == 0 ? "" : "?a=b").utf8)[...])
    let head = HeaderBlock()
    ForwardedHeaders.writeRequest(
      block, to: upstream, path: "/v1/messages", query: query.bytes, bodyCount: 77, into: head)
    var expected = [
      own(":method", "POST"), own(":scheme", "http"), own(":authority", "upstream.example:8080"),
      own(":path", text(upstream.pathPrefix) + "/v1/messages" + text(query.bytes)),
    ]
    expected += fields.filter { mayPass($0.name, notInRequests, named) }
    expected += [own("accept-encoding", "identity"), own("content-length", "77")]
    if upstream.credentialStyle == .bearer {
      expected.append(own("authorization", "Bearer the-edges-own-secret"))
    }
    if upstream.credentialStyle == .apiKey { expected.append(own("x-api-key", "the-edges-own-secret")) }
    if hasPlantedFault, fields.contains(where: { $0.value.count > 30 }) { expected.removeLast() }
    expectEqual(Self.fields(of: head), expected, "a request's fields go on but for those that may not")
  }

  private static func checkAnswer(_ block: borrowing HeaderBlock, _ fields: [HeadField], _ named: Set<String>)
  {
    for keepsLength in [false, true] {
      let head = HeaderBlock()
      ForwardedHeaders.appendAnswer(block, keepsLength: keepsLength, into: head)
      let stays = keepsLength ? notInAnswers.subtracting(["content-length"]) : notInAnswers
      let expected = fields.filter { mayPass($0.name, stays, named) }
      expectEqual(Self.fields(of: head), expected, "an answer's fields go on but for those that may not")
    }
  }

  private static func mayPass(_ name: String, _ stays: Set<String>, _ named: Set<String>) -> Bool {
    !stays.contains(name) && !named.contains(name) && !name.hasPrefix("x-strait-")
  }

  private static func own(_ name: String, _ value: String) -> HeadField {
    HeadField(name: name, value: Array(value.utf8)[...])
  }

  private static func trimmed(_ word: Substring) -> String {
    let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    return String(word.drop(while: blank).reversed().drop(while: blank).reversed())
  }

  private static func fields(of block: borrowing HeaderBlock) -> [HeadField] {
    var fields = [HeadField]()
    for index in 0..<block.count {
      fields.append(HeadField(name: text(block.nameBytes(index)), value: Array(block.valueBytes(index))[...]))
    }
    return fields
  }

  /// With each style of credential, with a prefix to the path and without.
  private static let upstreams: [UpstreamEntry] = [WireCredentialStyle.bearer, .apiKey, .unspecified].flatMap
  { style in
    ["", "/proxy"].map { prefix in
      var wire = WireUpstream()
      wire.name = "upstream"
      wire.origin = "http://upstream.example:8080"
      wire.pathPrefix = prefix
      wire.credentialStyle = style
      wire.credential.append(contentsOf: Array("the-edges-own-secret".utf8))
      var trust = UpstreamTrust(reusing: [UpstreamEntry]())
      do {
        return try UpstreamEntry(wire, id: UpstreamID.none, trust: &trust)
      } catch {
        fatalError("\(error)")
      }
    }
  }
}
