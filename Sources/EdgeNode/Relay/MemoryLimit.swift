// How much memory the process may have: what its control group allows, and never more than the machine has.

import Glibc

package enum MemoryLimit {
  /// - Parameters:
  ///   - machineBytes: what the machine has
  ///   - read: a file's text, nil where there is none
  package static func bytes(machineBytes: Int, read: (String) -> String?) -> Int {
    var least = machineBytes
    for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let group = String(parts[2])
      if parts[1].isEmpty {
        least = min(least, lowest("/sys/fs/cgroup", group, "memory.max", read))
      } else if parts[1].split(separator: ",").contains("memory") {
        least = min(least, lowest("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", read))
      }
    }
    return least
  }

  /// For the calling process.
  static var ofProcess: Int {
    let machine = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    return bytes(machineBytes: machine) { smallFile($0) }
  }

  /// A limit of any group above counts too. The outermost group's file stands where a container sees its own.
  private static func lowest(_ root: String, _ group: String, _ file: String, _ read: (String) -> String?)
    -> Int
  {
    var least = Int.max
    var names = group.split(separator: "/").map(String.init)
    while true {
      let folder = ([root] + names).joined(separator: "/")
      // "max" is no number, and no limit.
      if let text = read(folder + "/" + file), let limit = Int(text.filter { !$0.isWhitespace }), limit > 0 {
        least = min(least, limit)
      }
      guard !names.isEmpty else { return least }
      names.removeLast()
    }
  }

  /// Such files say nothing of their size.
  private static func smallFile(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4096) { space in
      let count = Glibc.read(file, space.baseAddress, space.count)
      return count < 0 ? nil : String(decoding: space[..<count], as: UTF8.self)
    }
  }
}
