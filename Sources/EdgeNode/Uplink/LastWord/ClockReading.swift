// What the clocks of a machine say at one moment.

import FoundationEssentials
import Glibc

/// Two clocks, because each can be wrong where the other is right: people and protocols set the one, and the other
/// starts again with the machine and stands still while a virtual one is put away.
package struct ClockReading: Sendable, Equatable {
  /// Which start of the machine `sinceBoot` counts from, 16 bytes.
  package var boot: [UInt8]
  /// Microseconds, with those in which the machine slept.
  package var sinceBoot: Int64
  /// Microseconds since 1970.
  package var wall: Int64

  package init(boot: [UInt8], sinceBoot: Int64, wall: Int64) {
    self.boot = boot
    self.sinceBoot = sinceBoot
    self.wall = wall
  }

  package static func now() -> ClockReading {
    ClockReading(
      boot: thisBoot, sinceBoot: microseconds(CLOCK_BOOTTIME), wall: microseconds(CLOCK_REALTIME))
  }

  /// From another moment to this one; where the clocks disagree, the longer time.
  /// - Returns: nil where it cannot be told, because a clock went back
  package func microseconds(since earlier: ClockReading) -> Int64? {
    let byWall = wall.subtractingSaturating(earlier.wall)
    guard boot == earlier.boot else { return byWall >= 0 ? byWall : nil }
    let byBoot = sinceBoot.subtractingSaturating(earlier.sinceBoot)
    return byBoot >= 0 ? max(byBoot, byWall) : nil
  }

  private static let thisBoot: [UInt8] = {
    // Without it no other process's reading is of the same boot, so that their wall clocks alone are compared.
    let known = bootText.flatMap { UUID(uuidString: String(decoding: $0.prefix(36), as: UTF8.self)) }
    return withUnsafeBytes(of: (known ?? UUID()).uuid) { Array($0) }
  }()

  /// A file of the kernel's, which says of itself that it is empty.
  private static var bootText: [UInt8]? {
    let path = "/proc/sys/kernel/random/boot_id"
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return try? DurableFile.readBytes(atMost: 64, from: descriptor, at: 0, path: path)
  }

  private static func microseconds(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }
}

extension Int64 {
  func subtractingSaturating(_ other: Int64) -> Int64 {
    let (result, overflow) = subtractingReportingOverflow(other)
    return overflow ? (self < 0 ? .min : .max) : result
  }
}
