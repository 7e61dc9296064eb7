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

  /// - Parameter keepsCredential: it has one already that stays, so that the request need not bring it
  package init(_ request: UpstreamRequest, keepsCredential: Bool = false) throws(Refusal) {
    name = try ResourceName(request.name, of: "upstream")
    region = try ResourceName(request.region, of: "region")
    address = try UpstreamAddress(request.url)
    httpVersion = try Self.httpVersion(request.httpVersion, for: address)
    credential = try request.credential.map { text throws(Refusal) in try Credential(text) }
    credentialStyle = try Self.credentialStyle(
      request.credentialStyle, hasCredential: credential != nil || keepsCredential)
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

extension UpstreamSpecification {
  /// An upstream as it is to be: what stands, and what the request changes of it.
  /// - Parameter authority: the CA certificates that stand
  package init(
    _ standing: UpstreamSummary, authority: String?, changing request: UpstreamChangeRequest
  ) throws(Refusal) {
    let hasCredential = standing.credentialStyle != CredentialStyle.none.rawValue
    let dropsCredential = request.credentialStyle == CredentialStyle.none.rawValue
    let keepsCredential = hasCredential && request.credential == nil && !dropsCredential
    // A credential without a word about its style is sent as the one before, or as bearer.
    let style = request.credentialStyle ?? (hasCredential ? standing.credentialStyle : nil)
    let whole = UpstreamRequest(
      name: standing.name, region: standing.region, url: request.url ?? standing.url,
      httpVersion: request.httpVersion ?? standing.httpVersion, credentialStyle: style,
      credential: request.credential, caPEM: request.caPEM.map { $0.isEmpty ? nil : $0 } ?? authority,
      private: request.private ?? standing.private, network: request.network ?? standing.network)
    try self.init(whole, keepsCredential: keepsCredential)
    // A secret goes to the origin that it was given for, and to no other.
    if keepsCredential, try UpstreamAddress(standing.url).origin != address.origin {
      throw .invalid(
        "\(address.origin) is another origin than the one that has the credential",
        hint: "give the credential for the new origin too, or credential_style none")
    }
  }
}
