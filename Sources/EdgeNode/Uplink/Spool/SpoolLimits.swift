// How much of disk and memory the spool may take, and the two calls by which a disk says that it cannot.

import Glibc

/// The spool's limits. One record takes 192 bytes on disk and about as many in memory.
package struct SpoolLimits: Sendable {
  /// Size of a segment file, all of it allocated before the first record goes in.
  package var segmentBytes = 4 << 20
  /// Segments kept ready, so that a full one is left behind without waiting for the disk.
  package var spareSegments = 2
  /// Space for all segments together. At the limit the spool acts as on a full disk.
  package var diskBytes = 4 << 30
  /// Records held in memory while the disk takes none. Beyond it they are lost and counted.
  package var memoryRecords = 65_536
  /// Records handed to the shipper at once.
  package var batchRecords = 500
  /// How long an acknowledged segment is kept, so that a database failover that lost a commit can be healed.
  package var keepSeconds: Double = 600
  /// How many acknowledged segments are kept at most.
  package var keepSegments = 64
  /// Time between two rounds of upkeep: group commit, news for the shipper, new segments.
  package var upkeepMilliseconds = 50
  /// Time to leave a disk alone that has just refused; doubled after each refusal up to the maximum.
  package var retryMilliseconds = 1_000
  package var retryMaximumMilliseconds = 60_000

  package init() {}
}

/// The disk's two ways to refuse, as a seam for tests. Both answer 0 or an error number.
package struct SpoolDisk: Sendable {
  /// Gives a file blocks of its own, so that writing to its mapping cannot fail (a mapped write that finds no space is
  /// a SIGBUS, which would take every stream of the edge with it).
  package var allocate: @Sendable (_ descriptor: Int32, _ bytes: Int) -> Int32
  /// Brings everything written to the file to stable storage.
  package var synchronise: @Sendable (_ descriptor: Int32) -> Int32

  package init(
    allocate: @escaping @Sendable (Int32, Int) -> Int32, synchronise: @escaping @Sendable (Int32) -> Int32
  ) {
    self.allocate = allocate
    self.synchronise = synchronise
  }

  package static let linux = SpoolDisk(
    allocate: { descriptor, bytes in
      var result: Int32
      repeat { result = posix_fallocate(descriptor, 0, off_t(bytes)) } while result == EINTR
      return result
    },
    synchronise: { descriptor in fdatasync(descriptor) == 0 ? 0 : errno }
  )
}
