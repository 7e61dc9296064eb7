// Wakes the spool's thread before its time, and tells it to end. Beside it, the two clocks.

import CLinux
import Glibc
import Synchronization

final class Alarm: Sendable {
  private let descriptor: Int32
  private let stopped = Atomic(false)

  init() throws(SystemError) {
    descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard descriptor >= 0 else { throw SystemError("make", "an eventfd") }
  }

  deinit {
    close(descriptor)
  }

  /// Never waits: a counter that is full is as good as rung.
  func ring() {
    var one: UInt64 = 1
    _ = write(descriptor, &one, 8)
  }

  func stop() {
    stopped.store(true, ordering: .releasing)
    ring()
  }

  /// Waits until it rings or the time is over.
  /// - Returns: false once it was told to stop
  func wait(milliseconds: Int) -> Bool {
    var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    if poll(&event, 1, Int32(clamping: milliseconds)) > 0 {
      var count: UInt64 = 0
      _ = read(descriptor, &count, 8)
    }
    return !stopped.load(ordering: .acquiring)
  }
}

/// Seconds of a clock that never goes back.
package func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Microseconds since 1970, UTC.
package func wallClockMicroseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
}
