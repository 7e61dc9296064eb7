// Files that only their owner may read, made whole or not at all.

import Foundation
import Glibc

package enum PrivateFile {
  /// Makes the file if there is none. Two processes may try at once: one file results, and both read the same bytes.
  /// - Returns: the bytes of the file that stands there now
  package static func createIfAbsent(_ bytes: [UInt8], at path: String) throws -> [UInt8] {
    if let present = try read(path) { return present }
    let draft = try writeDraft(bytes, for: path)
    // A hard link fails where the name is taken, so the first of two wins.
    let linked = link(draft, path) == 0
    let code = errno
    unlink(draft)
    guard linked || code == EEXIST else { throw FileFault(operation: "create", path: path, code: code) }
    try syncFolder(of: path)
    return try read(path) ?? bytes
  }

  /// Puts the bytes in the place of what stands there.
  package static func replace(_ bytes: [UInt8], at path: String, permissions: mode_t = 0o600) throws {
    let draft = try writeDraft(bytes, for: path)
    guard chmod(draft, permissions) == 0 else {
      throw FileFault(operation: "set the permissions of", path: draft, code: errno)
    }
    guard rename(draft, path) == 0 else { throw FileFault(operation: "replace", path: path, code: errno) }
    try syncFolder(of: path)
  }

  /// - Returns: nothing where there is no such file
  package static func read(_ path: String) throws -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw FileFault(operation: "read", path: path, code: errno)
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      guard count >= 0 else { throw FileFault(operation: "read", path: path, code: errno) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      guard bytes.count <= maximumBytes else { throw FileFault(operation: "read", path: path, code: EFBIG) }
    }
  }

  /// Makes the folder, for its owner alone, where there is none.
  package static func createFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw FileFault(operation: "create", path: path, code: errno == 0 ? EIO : errno)
    }
  }

  private static let maximumBytes = 1 << 20

  private static func writeDraft(_ bytes: [UInt8], for path: String) throws -> String {
    let draft = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max)).new"
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileFault(operation: "create", path: draft, code: errno) }
    defer { close(descriptor) }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else {
        let code = errno
        unlink(draft)
        throw FileFault(operation: "write", path: draft, code: code)
      }
      written += count
    }
    guard fsync(descriptor) == 0 else { throw FileFault(operation: "sync", path: draft, code: errno) }
    return draft
  }

  private static func syncFolder(of path: String) throws {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileFault(operation: "open", path: folder, code: errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw FileFault(operation: "sync", path: folder, code: errno) }
  }
}

/// What the file system said.
package struct FileFault: Error, CustomStringConvertible {
  package let operation: String
  package let path: String
  package let code: Int32

  package var description: String { "cannot \(operation) \(path): \(String(cString: strerror(code)))" }
}
