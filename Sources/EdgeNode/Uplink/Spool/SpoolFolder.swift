// The folder that holds the segments: its lock, its names, and the epoch of this process.

import Glibc
import StraitProtocol

/// A spool's folder, held by one process at a time.
struct SpoolFolder: ~Copyable {
  let path: String
  private let lock: Int32

  init(path: String) throws(SystemError) {
    try DurableFile.makeFolder(path)
    let lockPath = path + "/lock"
    let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else { throw SystemError("create", lockPath) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let error = SystemError("lock (another edge-node is using it)", path)
      close(lock)
      throw error
    }
    self.path = path
    self.lock = lock
  }

  deinit {
    close(lock)
  }

  /// Lets another process have the folder.
  func unlock() {
    flock(lock, LOCK_UN)
  }

  // MARK: Names

  /// `<epoch>-<ordinal>.segment`, both hexadecimal and of fixed width, so that names sort as records were written.
  func segmentPath(epoch: UInt64, ordinal: UInt32) -> String {
    "\(path)/\(hexadecimal(epoch, digits: 16))-\(hexadecimal(UInt64(ordinal), digits: 8)).segment"
  }

  /// The segments that are there, oldest first. Half-made replacements of a former process are removed.
  func segments() throws(SystemError) -> [SegmentName] {
    var found: [SegmentName] = []
    for name in try DurableFile.names(in: path) {
      if name.hasSuffix(".new") { unlink("\(path)/\(name)") }
      guard let segment = SegmentName(name, folder: path) else { continue }
      found.append(segment)
    }
    return found.sorted { ($0.epoch, $0.ordinal) < ($1.epoch, $1.ordinal) }
  }

  // MARK: Epoch

  /// The number of this process: higher than every one before it, written down before use. It is at least the wall
  /// clock in microseconds, so that an edge whose folder was lost does not use a number twice.
  /// - Returns: the epoch, and why it could not be written down, if so: a full disk must not keep an edge from serving,
  ///   and the clock and the names of the segments still keep the numbers apart.
  func nextEpoch(after highest: UInt64, wallClock: UInt64) -> (epoch: UInt64, unwritten: SystemError?) {
    let file = path + "/epoch"
    do throws(SystemError) {
      let bytes = try DurableFile.read(file, limitBytes: 64) ?? []
      let text = String(decoding: bytes, as: UTF8.self).prefix { $0 != "\n" }
      let epoch = max(wallClock, max(highest, UInt64(text) ?? 0) + 1)
      do throws(SystemError) {
        try DurableFile.write(Array("\(epoch)\n".utf8), to: file)
        return (epoch, nil)
      } catch {
        return (epoch, error)
      }
    } catch {
      return (max(wallClock, highest + 1), error)
    }
  }
}

/// A segment's name taken apart.
struct SegmentName {
  var path: String
  var epoch: UInt64
  var ordinal: UInt32

  init?(_ name: String, folder: String) {
    guard name.hasSuffix(".segment") else { return nil }
    let parts = name.dropLast(".segment".count).split(separator: "-")
    guard parts.count == 2, let epoch = UInt64(parts[0], radix: 16), let ordinal = UInt32(parts[1], radix: 16)
    else {
      return nil
    }
    self.path = "\(folder)/\(name)"
    self.epoch = epoch
    self.ordinal = ordinal
  }
}

private func hexadecimal(_ value: UInt64, digits: Int) -> String {
  let text = String(value, radix: 16)
  return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}
