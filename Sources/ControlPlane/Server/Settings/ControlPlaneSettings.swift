// The control plane's configuration, checked.

import Logging
import Postgres
import StraitSettings

/// Where to listen.
package struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
  package let host: String
  /// 0 for any free port.
  package let port: Int

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// `127.0.0.1:7443` or `[::1]:7443`
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      return nil
    }
    var host = String(text[..<colon])
    if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard addressBytes(host) != nil else { return nil }
    self.init(host: host, port: Int(port))
  }

  package var isIPv6: Bool { host.contains(":") }
  package var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

package struct ControlPlaneSettings: Sendable {
  package var database: PostgresConfiguration
  package var dataDirectory: String
  package var admin: Admin
  package var controlLink: ControlLink
  package var rollout: RolloutSettings
  package var logLevel: Logger.Level

  package struct Admin: Sendable {
    package var listen: ListenAddress
    package var certificateFile: String
    package var privateKeyFile: String
  }

  package struct ControlLink: Sendable {
    package var listen: ListenAddress
    package var enrolmentListen: ListenAddress
    /// DNS names and IP addresses by which edges reach this control plane.
    package var serverNames: [String]
    /// How long an edge's certificate is good; the edge renews it after two thirds of that.
    package var edgeCertificateSeconds = Validity.edgeCertificateSeconds
  }

  /// - Throws: `SettingsFault`; untyped, because the 6.3 compiler stops at a typed error that crosses modules here
  package init(_ tree: SettingsTree) throws {
    let top = try SettingsReader(
      tree, path: "",
      known: ["database_url", "data_directory", "admin", "control_link", "rollout", "log_level"])
    database = try Self.database(top)
    dataDirectory = try top.text("data_directory", hint: "give the folder for the control plane's own files")
    admin = try Self.admin(
      try top.subtree("admin", hint: "give listen, certificate_file and private_key_file"))
    controlLink = try Self.controlLink(
      try top.subtree("control_link", hint: "give listen, enrolment_listen and server_names"))
    rollout = try Self.rollout(top)
    logLevel = try Self.logLevel(top)
  }

  private static func rollout(_ top: SettingsReader) throws(SettingsFault) -> RolloutSettings {
    var settings = RolloutSettings()
    guard let tree = top.optionalSubtree("rollout") else { return settings }
    let reader = try SettingsReader(tree, path: "rollout", known: ["dwell_seconds", "answer_seconds"])
    settings.dwellSeconds =
      try reader.optionalNumber("dwell_seconds", in: RolloutSettings.dwellRange) ?? settings.dwellSeconds
    settings.answerSeconds =
      try reader.optionalNumber("answer_seconds", in: RolloutSettings.answerRange) ?? settings.answerSeconds
    return settings
  }

  private static func database(_ top: SettingsReader) throws(SettingsFault) -> PostgresConfiguration {
    let hint = "write it as postgresql://user:password@host:port/database"
    let url = try top.text("database_url", hint: hint)
    do { return try PostgresConfiguration(url: url) } catch {
      throw SettingsFault("database_url", "cannot be used", hint: "\(error); \(hint)")
    }
  }

  private static func admin(_ tree: SettingsTree) throws(SettingsFault) -> Admin {
    let reader = try SettingsReader(
      tree, path: "admin", known: ["listen", "certificate_file", "private_key_file"])
    return Admin(
      listen: try listen(reader, "listen"),
      certificateFile: try reader.text(
        "certificate_file", hint: "give the path of the certificate chain in PEM form"),
      privateKeyFile: try reader.text(
        "private_key_file", hint: "give the path of the certificate's key in PEM form"))
  }

  private static func controlLink(_ tree: SettingsTree) throws(SettingsFault) -> ControlLink {
    let reader = try SettingsReader(
      tree, path: "control_link",
      known: ["listen", "enrolment_listen", "server_names", "edge_certificate_seconds"])
    var link = ControlLink(
      listen: try listen(reader, "listen"), enrolmentListen: try listen(reader, "enrolment_listen"),
      serverNames: try reader.texts(
        "server_names", hint: "list the names and addresses by which edges reach it"))
    if let seconds = try reader.optionalNumber("edge_certificate_seconds", in: Validity.edgeCertificateRange)
    {
      link.edgeCertificateSeconds = seconds
    }
    for (index, name) in link.serverNames.enumerated() where !isServerName(name) {
      throw SettingsFault(
        "control_link.server_names[\(index)]", "is neither a DNS name nor an IP address",
        hint: "write it without scheme and port, such as control.example.com or 10.0.0.5")
    }
    if link.listen == link.enrolmentListen && link.listen.port != 0 {
      throw SettingsFault(
        "control_link.enrolment_listen", "is the same address as control_link.listen",
        hint: "use another port")
    }
    return link
  }

  private static func listen(_ reader: SettingsReader, _ key: String) throws(SettingsFault) -> ListenAddress {
    let hint = "write an IP address and a port, such as 127.0.0.1:7443 or [::]:7443"
    guard let address = ListenAddress(try reader.text(key, hint: hint)) else {
      throw SettingsFault(reader.place(key), "is not an address to listen on", hint: hint)
    }
    return address
  }

  private static func logLevel(_ top: SettingsReader) throws(SettingsFault) -> Logger.Level {
    let hint = "use \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))"
    guard let text = try top.optionalText("log_level", hint: hint) else { return .info }
    guard let level = Logger.Level(rawValue: text) else {
      throw SettingsFault("log_level", "is not a known level", hint: hint)
    }
    return level
  }

  private static func isServerName(_ name: String) -> Bool {
    if addressBytes(name) != nil { return true }
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    return name.utf8.count <= 253
      && labels.allSatisfy { label in
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
          && label.utf8.allSatisfy {
            isLowerCaseLetter($0 | 0x20) && $0 < 0x80 || isDigit($0) || $0 == UInt8(ascii: "-")
          }
      }
  }
}
