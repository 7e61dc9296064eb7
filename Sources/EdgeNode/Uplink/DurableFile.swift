// Small files that are either wholly there or not at all: written beside, synchronised, renamed, and the folder
// synchronised after.

import Glibc

enum DurableFile {
  /// Of a file while it is written, and for good where the process was killed meanwhile.
  static let newSuffix = ".new"

  /// Replaces the file's contents. After it returns they survive a loss of power.
  /// - Parameter mode: permissions, set before the first byte is written
  static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws(SystemError) {
    do {
      try write(to: path, mode: mode) { write throws in try write(bytes) }
    } catch let error as SystemError {
      throw error
    } catch {
      throw SystemError("write", path, code: EIO)
    }
  }

  /// As `write`, for what is made piece by piece.
  static func write(
    to path: String, mode: mode_t = 0o600, _ produce: ((_ piece: [UInt8]) throws -> Void) throws -> Void
  ) throws {
    let temporary = path + newSuffix
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw SystemError("create", temporary) }
    do {
      try produce { piece in try writeAll(piece, to: descriptor, path: temporary) }
      guard fsync(descriptor) == 0 else { throw SystemError("synchronise", temporary) }
    } catch {
      close(descriptor)
      unlink(temporary)
      throw error
    }
    close(descriptor)
    try rename(temporary, to: path)
  }

  static func rename(_ old: String, to new: String) throws(SystemError) {
    guard Glibc.rename(old, new) == 0 else { throw SystemError("rename", old) }
    try synchroniseFolder(of: new)
  }

  /// Gives a file another name beside its own. What has that name already makes room.
  static func link(_ path: String, as other: String) throws(SystemError) {
    try remove(other)
    guard Glibc.link(path, other) == 0 else { throw SystemError("link", path) }
    try synchroniseFolder(of: other)
  }

  /// Removes a file that may not be there.
  static func remove(_ path: String) throws(SystemError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove", path) }
    try synchroniseFolder(of: path)
  }

  /// - Parameter limitBytes: a larger file is refused, not read
  /// - Returns: nil when there is no such file
  static func read(_ path: String, limitBytes: Int) throws(SystemError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw SystemError("open", path)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw SystemError("look at", path) }
    guard status.st_size <= limitBytes else { throw SystemError("read", path, code: EFBIG) }
    return try readBytes(atMost: Int(status.st_size), from: descriptor, at: 0, path: path)
  }

  /// Makes creations, renamings and removals in the folder survive a loss of power.
  static func synchroniseFolder(_ folder: String) throws(SystemError) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError("open", folder) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw SystemError("synchronise", folder) }
  }

  static func synchroniseFolder(of path: String) throws(SystemError) {
    let end = path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? path.startIndex
    try synchroniseFolder(end == path.startIndex ? "." : String(path[..<end]))
  }

  /// Makes the folder, and those above it, where they are missing.
  static func makeFolder(_ folder: String) throws(SystemError) {
    if mkdir(folder, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let end = folder.utf8.lastIndex(of: UInt8(ascii: "/")), end > folder.startIndex
    else { throw SystemError("make folder", folder) }
    try makeFolder(String(folder[..<end]))
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw SystemError("make folder", folder) }
  }

  /// What is in the folder, in no order.
  static func names(in folder: String) throws(SystemError) -> [String] {
    guard let listing = opendir(folder) else { throw SystemError("list", folder) }
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
      names.append(
        withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names
  }

  static func isThere(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Reads until there are so many bytes or the file ends.
  static func readBytes(
    atMost limit: Int, from descriptor: Int32, at offset: Int, path: String
  ) throws(SystemError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: limit)
    var done = 0
    while done < limit {
      let count = bytes.withUnsafeMutableBytes { buffer in
        pread(descriptor, buffer.baseAddress.map { $0 + done }, limit - done, off_t(offset + done))
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw SystemError("read", path) }
      if count == 0 { break }
      done += count
    }
    bytes.removeLast(limit - done)
    return bytes
  }

  static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(SystemError) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Glibc.write(descriptor, buffer.baseAddress.map { $0 + done }, bytes.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw SystemError("write", path) }
      done += count
    }
  }
}

/// A file read from its start to its end.
final class FileReader {
  private let descriptor: Int32
  private let path: String
  private var offset = 0
  let byteCount: Int

  /// - Returns: nil when there is no such file
  init?(_ path: String) throws(SystemError) {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    var status = stat()
    if descriptor < 0 {
      byteCount = 0
      if errno == ENOENT { return nil }
      throw SystemError("open", path)
    }
    byteCount = fstat(descriptor, &status) == 0 ? Int(status.st_size) : .max
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  var isAtEnd: Bool { offset >= byteCount }

  /// The next bytes, fewer where the file ends.
  func read(_ count: Int) throws(SystemError) -> [UInt8] {
    let rest = min(count, max(0, byteCount - offset))
    let bytes = try DurableFile.readBytes(atMost: rest, from: descriptor, at: offset, path: path)
    offset += bytes.count
    return bytes
  }
}
