// The profiles of an operator: names for control planes, with where to find each one's token and CA. The file holds no
// token itself.

import Foundation
import Yams

package struct Profile: Codable, Sendable, Equatable {
  package var adminURL: String
  package var tokenFile: String
  /// Trust for a private CA; the system's where absent.
  package var caFile: String?

  package init(adminURL: String, tokenFile: String, caFile: String?) {
    self.adminURL = adminURL
    self.tokenFile = tokenFile
    self.caFile = caFile
  }

  private enum CodingKeys: String, CodingKey {
    case adminURL = "admin_url"
    case tokenFile = "token_file"
    case caFile = "ca_file"
  }
}

/// What `profiles.yaml` holds.
package struct ProfileFile: Codable, Sendable, Equatable {
  /// The profile that counts where none is named.
  package var current: String?
  package var profiles: [String: Profile]

  package init(current: String? = nil, profiles: [String: Profile] = [:]) {
    self.current = current
    self.profiles = profiles
  }

  package static func isName(_ text: String) -> Bool {
    text.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9._\-]{0,63}/) != nil
  }

  /// `$XDG_CONFIG_HOME/strait/profiles.yaml`, else below `~/.config`.
  package static func path(environment: [String: String]) throws(OperatorFault) -> String {
    // The XDG specification says to ignore a path that is not absolute.
    if let folder = environment["XDG_CONFIG_HOME"], folder.hasPrefix("/") {
      return folder + "/strait/profiles.yaml"
    }
    guard let home = environment["HOME"], home.hasPrefix("/") else {
      throw OperatorFault(
        "there is no place for profiles: neither XDG_CONFIG_HOME nor HOME is set",
        next: "set HOME, or STRAIT_ADMIN_URL and STRAIT_ADMIN_TOKEN_FILE")
    }
    return home + "/.config/strait/profiles.yaml"
  }

  /// - Returns: no profiles where there is no file
  package static func load(from path: String) throws(OperatorFault) -> ProfileFile {
    guard FileManager.default.fileExists(atPath: path) else { return ProfileFile() }
    do {
      let text = try String(contentsOfFile: path, encoding: .utf8)
      return try YAMLDecoder().decode(ProfileFile.self, from: text)
    } catch {
      throw OperatorFault(
        "could not read the profiles in \(path): \(Self.reason(error))",
        next: "repair the file, or move it away and write it anew with: strait profile set")
    }
  }

  /// Writes the file whole or not at all, for its owner only.
  package func save(to path: String) throws(OperatorFault) {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let encoder = YAMLEncoder()
      encoder.options.sortKeys = true
      try Self.replace(path, with: Array(encoder.encode(self).utf8))
    } catch {
      throw OperatorFault(
        "could not write the profiles to \(path): \(Self.reason(error))",
        next: "check that you may write to \(folder) and that the disk is not full")
    }
  }

  private static func replace(_ path: String, with bytes: [UInt8]) throws {
    let temporary = "\(path).\(getpid())"
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw SystemFault(number: errno) }
    do {
      defer { close(descriptor) }
      try FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(contentsOf: Data(bytes))
      guard fsync(descriptor) == 0 else { throw SystemFault(number: errno) }
      guard rename(temporary, path) == 0 else { throw SystemFault(number: errno) }
    } catch {
      unlink(temporary)
      throw error
    }
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case let fault as SystemFault: String(cString: strerror(fault.number))
    case let error as YamlError:
      String(describing: error).split(separator: "\n").first.map(String.init) ?? "not YAML"
    case DecodingError.keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" has the wrong type"
    default: (error as NSError).localizedDescription
    }
  }

  private struct SystemFault: Error {
    let number: CInt
  }
}
