// Which of several certificates a client is shown, by the name that it asks for.

/// Names of certificates as they are written in them, exact or with a wildcard for the first label (RFC 9525,
/// section 6.3). The first certificate given for a name has it.
package struct ServerNames {
  private var exact = [String: Int]()
  private var wildcards = [String: Int]()

  package init() {}

  package mutating func add(_ name: String, certificate: Int) {
    let name = name.lowercased()
    if name.hasPrefix("*.") {
      let parent = String(name.dropFirst(2))
      if wildcards[parent] == nil { wildcards[parent] = certificate }
    } else if exact[name] == nil {
      exact[name] = certificate
    }
  }

  /// - Returns: the certificate's place; nil for the default
  package func certificate(for name: String) -> Int? {
    var name = name.lowercased()
    if name.hasSuffix(".") { name.removeLast() }
    if let found = exact[name] { return found }
    guard let dot = name.firstIndex(of: "."), dot > name.startIndex else { return nil }
    return wildcards[String(name[name.index(after: dot)...])]
  }
}
