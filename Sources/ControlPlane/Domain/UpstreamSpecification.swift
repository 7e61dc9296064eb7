// An upstream as operators declare it, checked: where it is, how it is spoken to, and with which secret.

import AdminAPI
import StraitProtocol

package enum UpstreamProtocol: String, Sendable, CaseIterable {
  case http1
  case http2
  /// By ALPN, so only with TLS.
  case negotiated
}

package enum CredentialStyle: String, Sendable, CaseIterable {
  case none
  case bearer
  case apiKey = "api-key"
}

/// A provider's secret. It does not print.
package struct Credential: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
  package let bytes: [UInt8]
  package static let maximumLength = 4096

  /// Visible ASCII only: it becomes a header's value.
  package init(_ text: String) throws(Refusal) {
    guard (1...Self.maximumLength).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    else {
      throw .invalid(
        "the credential is empty, too long, or holds spaces or characters outside ASCII",
        hint: "give the provider's key alone, without `Bearer` or quotation marks")
    }
    bytes = Array(text.utf8)
  }

  package var description: String { "(credential)" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

package struct UpstreamSpecification: Sendable {
  package let name: ResourceName
  package let region: ResourceName
  package let address: UpstreamAddress
  package let httpVersion: UpstreamProtocol
  package let credentialStyle: CredentialStyle
  package let credential: Credential?
  package let certificateAuthorityPEM: String?
  /// Reached from its own region alone: edges of other regions never hear of it.
  package let isPrivate: Bool
  /// Where its addresses may be.
  package let network: UpstreamNetwork

  package static let maximumPEMLength = 64 * 1024

  package init(_ request: UpstreamRequest) throws(Refusal) {
    name = try ResourceName(request.name, of: "upstream")
    region = try ResourceName(request.region, of: "region")
    address = try UpstreamAddress(request.url)
    httpVersion = try Self.httpVersion(request.httpVersion, for: address)
    credential = try request.credential.map { text throws(Refusal) in try Credential(text) }
    credentialStyle = try Self.credentialStyle(request.credentialStyle, hasCredential: credential != nil)
    certificateAuthorityPEM = request.caPEM
    isPrivate = request.private ?? false
    network = try Self.network(request.network)
    try address.check(for: network)
    if let pem = request.caPEM {
      guard address.scheme == .https else {
        throw .invalid(
          "a CA certificate is of no use with an http:// URL", hint: "use https:// or leave ca_pem off")
      }
      guard pem.utf8.count <= Self.maximumPEMLength, pem.contains("-----BEGIN CERTIFICATE-----") else {
        throw .invalid("ca_pem holds no certificate in PEM form", hint: "give the text of the CA's .pem file")
      }
    }
  }

  private static func network(_ text: String?) throws(Refusal) -> UpstreamNetwork {
    guard let text else { return .public }
    guard let network = UpstreamNetwork(rawValue: text) else {
      throw .invalid("\(quoted(text)) is not a known network", hint: "use public or private")
    }
    return network
  }

  private static func httpVersion(_ text: String?, for address: UpstreamAddress) throws(Refusal)
    -> UpstreamProtocol
  {
    guard let text else { return address.scheme == .https ? .negotiated : .http1 }
    guard let version = UpstreamProtocol(rawValue: text) else {
      throw .invalid("\(quoted(text)) is not a known http_version", hint: "use http1, http2 or negotiated")
    }
    if version == .negotiated && address.scheme == .http {
      throw .invalid("http_version negotiated needs TLS", hint: "use http1 or http2 with an http:// URL")
    }
    return version
  }

  private static func credentialStyle(_ text: String?, hasCredential: Bool) throws(Refusal) -> CredentialStyle
  {
    guard let text else { return hasCredential ? .bearer : .none }
    guard let style = CredentialStyle(rawValue: text) else {
      throw .invalid("\(quoted(text)) is not a known credential_style", hint: "use none, bearer or api-key")
    }
    if (style == .none) == hasCredential {
      throw hasCredential
        ? .invalid("a credential was given with credential_style none", hint: "use bearer or api-key")
        : .invalid("credential_style \(text) needs a credential", hint: "give the credential, or use none")
    }
    return style
  }
}
