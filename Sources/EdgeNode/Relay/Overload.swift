// What all workers know of the process's memory. One worker looks; each acts on its own share.

import CLinux
import Glibc
import Synchronization

package final class Overload: Sendable {
  private struct Watch {
    var pressure: MemoryPressure
    var trimmedAt: Int64 = 0
  }

  /// Memory that was given back is asked of the allocator no more often than this.
  private static let trimIntervalMicroseconds: Int64 = 2_000_000

  private let watch: Mutex<Watch>
  private let currentLevel = Atomic<UInt8>(0)
  private let used = Atomic<Int>(0)
  private let surplus = Atomic<Int>(0)
  private let looks = Atomic<UInt64>(0)
  /// The kernel's account of this process's memory.
  private let account: Int32

  package init(_ pressure: MemoryPressure) {
    watch = Mutex(Watch(pressure: pressure))
    account = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
  }

  deinit {
    if account >= 0 { close(account) }
  }

  var level: MemoryPressure.Level {
    MemoryPressure.Level(rawValue: currentLevel.load(ordering: .relaxed)) ?? .normal
  }

  var usedBytes: Int { used.load(ordering: .relaxed) }

  /// What one of `workers` must give back: once for each look, because what it gives back is seen only at the next.
  /// - Parameter seen: the look that the worker has done its share for
  package func takeShare(of workers: Int, after seen: inout UInt64) -> Int {
    let newest = looks.load(ordering: .acquiring)
    guard newest != seen else { return 0 }
    seen = newest
    return surplus.load(ordering: .relaxed) / max(1, workers)
  }

  var limitBytes: Int { watch.withLock { $0.pressure.limitBytes } }

  /// Looks at the memory in use. Called by one worker, a few times a second.
  package func look(now: Int64) {
    guard let bytes = residentBytes() else { return }
    let isShort = watch.withLock { watch in
      let level = watch.pressure.observe(usedBytes: bytes)
      used.store(bytes, ordering: .relaxed)
      surplus.store(watch.pressure.excess(usedBytes: bytes), ordering: .relaxed)
      currentLevel.store(level.rawValue, ordering: .relaxed)
      looks.add(1, ordering: .releasing)
      guard level > .normal, now - watch.trimmedAt > Self.trimIntervalMicroseconds else { return false }
      watch.trimmedAt = now
      return true
    }
    // What was freed lies with the allocator, and counts as used until it is given back.
    if isShort { malloc_trim(0) }
  }

  /// The second number of statm, in pages.
  private func residentBytes() -> Int? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { space in
      let count = pread(account, space.baseAddress, space.count, 0)
      guard count > 0 else { return nil }
      let numbers = String(decoding: space[..<count], as: UTF8.self).split(separator: " ")
      guard numbers.count > 1, let pages = Int(numbers[1]) else { return nil }
      return pages * sysconf(Int32(_SC_PAGESIZE))
    }
  }
}
