// Which control plane a command talks to, and as whom. Pure but for the reading of the token's file.

/// An address, the token for it, and whom to trust there.
package struct ConnectionSettings: Sendable {
  package enum TokenSource: Sendable {
    case file(String)
    case environment(Secret)
  }

  package let address: AdminAddress
  package let token: TokenSource
  package let caFile: String?
  /// `profile "dev"` or `the environment`, for messages.
  package let source: String

  /// Decides between the flag, the environment and the profiles.
  ///
  /// A profile that is named by a flag is meant for this one command, so it goes before the environment; otherwise the
  /// environment goes before the profile. A profile's token and CA are only used for the profile's own address: with an
  /// address of its own, the environment must bring its own token.
  /// - Parameter flag: `--profile`
  package static func choose(
    flag: String?, environment: [String: String], profiles: () throws(OperatorFault) -> ProfileFile
  ) throws(OperatorFault) -> ConnectionSettings {
    let variables = environment.filter { !$0.value.isEmpty }
    if let flag { return try of(profile: flag, in: try profiles()) }
    guard let url = variables["STRAIT_ADMIN_URL"] else {
      let file = try profiles()
      guard let name = variables["STRAIT_PROFILE"] ?? file.current else { throw nothingChosen }
      return try of(profile: name, in: file, environment: variables)
    }
    let address = try AdminAddress(url, source: "STRAIT_ADMIN_URL")
    if let token = try tokenSource(variables) {
      return Self(
        address: address, token: token, caFile: variables["STRAIT_CA_FILE"], source: "the environment")
    }
    let file = try profiles()
    if let name = variables["STRAIT_PROFILE"] ?? file.current,
      case let settings = try of(profile: name, in: file, environment: variables), settings.address == address
    {
      return settings
    }
    throw OperatorFault(
      "STRAIT_ADMIN_URL names \(address), and there is no token for it",
      next: "set STRAIT_ADMIN_TOKEN_FILE (or STRAIT_ADMIN_TOKEN) as well")
  }

  private static func of(
    profile name: String, in file: ProfileFile, environment: [String: String] = [:]
  ) throws(OperatorFault) -> ConnectionSettings {
    guard let profile = file.profiles[name] else {
      let known = file.profiles.keys.sorted().joined(separator: ", ")
      throw OperatorFault(
        "there is no profile \"\(name)\"",
        next: known.isEmpty
          ? "make it with: strait profile set \(name) --admin-url URL --token-file FILE"
          : "use one of \(known), or make it with: strait profile set \(name)")
    }
    return Self(
      address: try AdminAddress(profile.adminURL, source: "profile \"\(name)\""),
      token: try tokenSource(environment) ?? .file(profile.tokenFile),
      caFile: environment["STRAIT_CA_FILE"] ?? profile.caFile, source: "profile \"\(name)\"")
  }

  private static func tokenSource(_ environment: [String: String]) throws(OperatorFault) -> TokenSource? {
    if let text = environment["STRAIT_ADMIN_TOKEN"] {
      return .environment(try Secret(Array(text.utf8), source: "STRAIT_ADMIN_TOKEN"))
    }
    return environment["STRAIT_ADMIN_TOKEN_FILE"].map { .file($0) }
  }

  private static var nothingChosen: OperatorFault {
    OperatorFault(
      "no control plane is chosen",
      next: "strait profile set NAME --admin-url URL --token-file FILE, or set STRAIT_ADMIN_URL and "
        + "STRAIT_ADMIN_TOKEN_FILE")
  }

  package func readToken() throws(OperatorFault) -> Secret {
    switch token {
    case .file(let path): try Secret.read(file: path, what: "token")
    case .environment(let secret): secret
    }
  }
}
