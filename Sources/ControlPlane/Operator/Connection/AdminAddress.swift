// Where the control plane's admin API is: https://host[:port].

import Foundation

package struct AdminAddress: Sendable, Equatable, CustomStringConvertible {
  package let host: String
  package let port: Int

  /// - Parameter text: as an operator writes it
  /// - Parameter source: where it stands, for the error: `STRAIT_ADMIN_URL`, `profile "dev"`
  package init(_ text: String, source: String) throws(OperatorFault) {
    let next = "write it as https://HOST:PORT, the admin address that the control plane logs at its start"
    guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
      let host = parts.host, !host.isEmpty
    else { throw OperatorFault("the address in \(source) is not a URL", next: next) }
    guard scheme == "https" else {
      throw OperatorFault(
        "the address in \(source) is not HTTPS: the operator token would be sent in clear", next: next)
    }
    guard parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil,
      parts.path.isEmpty || parts.path == "/"
    else {
      throw OperatorFault("the address in \(source) has more than a host and a port", next: next)
    }
    let port = parts.port ?? 443
    guard (1...65535).contains(port) else {
      throw OperatorFault("the address in \(source) has a port that does not exist", next: next)
    }
    // Foundation keeps an IPv6 address in its brackets.
    self.host = host.lowercased().trimmingCharacters(in: ["[", "]"])
    self.port = port
  }

  package var description: String {
    "https://\(host.contains(":") ? "[\(host)]" : host)\(port == 443 ? "" : ":\(port)")"
  }
}
