// Where an upstream is: the URL that an operator gave, taken apart once, so that edges never parse one.

import StraitProtocol

/// `scheme://host[:port]` and the path before `/v1/…`.
package struct UpstreamAddress: Hashable, Sendable {
  package enum Scheme: String, Sendable {
    case http
    case https
  }

  package let scheme: Scheme
  /// Lower case; an IPv6 address is in brackets.
  package let host: String
  package let port: UInt16?
  /// Empty, or begins with a slash and does not end with one.
  package let pathPrefix: String

  package static let maximumLength = 2048

  package var origin: String { "\(scheme.rawValue)://\(host)\(port.map { ":\($0)" } ?? "")" }
  package var url: String { origin + pathPrefix }

  package init(_ text: String) throws(Refusal) {
    guard text.utf8.count <= Self.maximumLength, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw Self.refusal("is too long or holds spaces or characters outside ASCII")
    }
    guard let separator = text.firstRange(of: "://"),
      let scheme = Scheme(rawValue: text[..<separator.lowerBound].lowercased())
    else { throw Self.refusal("does not begin with https:// or http://") }
    let rest = text[separator.upperBound...]
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    let authority = rest[..<slash]
    guard !text.contains("?"), !text.contains("#"), !text.contains("\\") else {
      throw Self.refusal("has a query or a fragment")
    }
    guard !authority.contains("@") else {
      throw Self.refusal("names a user", hint: "give the secret as the credential, not in the URL")
    }
    self.scheme = scheme
    (host, port) = try Self.hostAndPort(authority)
    pathPrefix = try Self.prefix(rest[slash...])
  }

  /// Refuses what every edge would refuse to connect to. What a name leads to, only edges know.
  package func check(for network: UpstreamNetwork) throws(Refusal) {
    let inner = host.first == "[" ? String(host.dropFirst().dropLast()) : host
    let isLocal = inner == "localhost" || inner.hasSuffix(".localhost")
    guard let address = IPAddress(isLocal ? "127.0.0.1" : inner),
      let refusal = AddressPolicy.refusal(of: address, on: network)
    else { return }
    if refusal == .notPublic {
      throw .invalid(
        "the upstream's address \(inner) is not a public one",
        hint: "say --network private (`network` in the admin API) where it is in a network of your own")
    }
    throw .invalid(
      "the upstream's address \(inner) is refused by every edge (\(refusal.word))",
      hint: "give the address of the upstream itself")
  }

  private static func hostAndPort(_ authority: Substring) throws(Refusal) -> (String, UInt16?) {
    let portStart: Substring.Index
    if authority.first == "[" {
      guard let bracket = authority.firstIndex(of: "]") else {
        throw refusal("has an IPv6 address without its bracket")
      }
      portStart = authority.index(after: bracket)
    } else {
      portStart = authority.firstIndex(of: ":") ?? authority.endIndex
    }
    let host = authority[..<portStart].lowercased()
    guard isHost(host) else { throw refusal("has no valid host") }
    guard portStart < authority.endIndex else { return (host, nil) }
    let digits = authority[portStart...].dropFirst()
    guard authority[portStart] == ":", digits.utf8.allSatisfy(isDigit), let port = UInt16(digits), port > 0
    else {
      throw refusal("has no valid port", hint: "use a number from 1 to 65535")
    }
    return (host, port)
  }

  private static func isHost(_ host: String) -> Bool {
    if host.first == "[" {
      let inner = host.dropFirst().dropLast()
      return host.last == "]" && inner.contains(":")
        && inner.utf8.allSatisfy {
          isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) || ":.".utf8.contains($0)
        }
    }
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    return host.utf8.count <= 253
      && labels.allSatisfy { label in
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
          && label.utf8.allSatisfy {
            isLowerCaseLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
          }
      }
  }

  private static func prefix(_ path: Substring) throws(Refusal) -> String {
    var path = path
    while path.last == "/" { path.removeLast() }
    let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    guard segments.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." && !$0.contains("%") }) else {
      throw refusal("has a path with empty, dotted or encoded parts")
    }
    guard segments.last != "v1" else {
      throw refusal("ends with /v1", hint: "leave /v1 off: edges add the path of each endpoint themselves")
    }
    return String(path)
  }

  private static func refusal(_ why: String, hint: String? = nil) -> Refusal {
    .invalid(
      "the upstream's URL \(why)",
      hint: hint ?? "write it as https://host[:port][/prefix], such as https://api.openai.com")
  }
}
