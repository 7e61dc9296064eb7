// Which operating-system user a test's server runs as, and its folder.

import Foundation

/// PostgreSQL refuses to run as root; tests may well be run by root. Then its own user takes over.
struct ServerAccount: Sendable {
  /// Nil: the server runs as the user that runs the tests.
  private let owner: (user: uid_t, group: gid_t)?

  static func forThisProcess() throws -> ServerAccount {
    guard geteuid() == 0 else { return ServerAccount(owner: nil) }
    guard let entry = getpwnam("postgres") else {
      throw PostgresClusterError(reason: "there is no user postgres; install the package postgresql-15")
    }
    return ServerAccount(owner: (entry.pointee.pw_uid, entry.pointee.pw_gid))
  }

  /// The command as this account runs it.
  func command(_ arguments: [String]) -> [String] {
    guard owner != nil else { return arguments }
    return ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] + arguments
  }

  /// A new folder under the temporary folder that this account owns and others may pass through.
  func makeFolder(prefix: String) throws -> String {
    var parent = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    // A unix socket's path has at most 107 bytes, and the folder's name is only a part of it.
    if parent.utf8.count > 60 { parent = "/tmp" }
    var template = Array("\(parent)/\(prefix)XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw PostgresClusterError(reason: "cannot make a folder under \(parent): errno \(errno)")
    }
    let folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    chmod(folder, 0o711)
    try takeOver(folder)
    return folder
  }

  /// Writes a file that only this account can read.
  func write(_ text: String, to path: String) throws {
    let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
    guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8), attributes: attributes)
    else {
      throw PostgresClusterError(reason: "cannot write \(path)")
    }
    try takeOver(path)
  }

  private func takeOver(_ path: String) throws {
    guard let owner else { return }
    guard chown(path, owner.user, owner.group) == 0 else {
      throw PostgresClusterError(reason: "cannot give \(path) to the server's user: errno \(errno)")
    }
  }
}

/// A port on 127.0.0.1 that was free at the time of the call.
///
/// If there is one, from below those that the kernel gives to outgoing connections, which could take it before its server
/// binds it.
package func freePort() throws -> UInt16 {
  for _ in 0..<20 {
    if let port = try bindable(UInt16.random(in: 20_000..<32_768)) { return port }
  }
  guard let port = try bindable(0) else { throw PostgresClusterError(reason: "no free port: errno \(errno)") }
  return port
}

/// - Parameter port: 0 for any
/// - Returns: nil where it is taken
private func bindable(_ port: UInt16) throws -> UInt16? {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  guard descriptor >= 0 else { throw PostgresClusterError(reason: "no socket: errno \(errno)") }
  defer { close(descriptor) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let bound = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
      bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
    }
  }
  return bound ? UInt16(bigEndian: address.sin_port) : nil
}
