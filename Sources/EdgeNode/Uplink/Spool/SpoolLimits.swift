// How much of disk and memory the spool may take, and the calls by which a disk says that it cannot.

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
  /// How often in a row the disk may fail to give back the same records before they are given up, each after a pause of
  /// the shipper's. Only damage counts: what a process lacks for the moment is waited for.
  package var readAttempts = 10
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

/// The disk's ways to refuse, as a seam for tests.
package struct SpoolDisk: Sendable {
  /// Gives a file blocks of its own, so that writing to its mapping cannot fail (a mapped write that finds no space is
  /// a SIGBUS, which would take every stream of the edge with it). Answers 0 or an error number.
  package var allocate: @Sendable (_ descriptor: Int32, _ bytes: Int) -> Int32
  /// Brings everything written to the file to stable storage. Answers 0 or an error number.
  package var synchronise: @Sendable (_ descriptor: Int32) -> Int32
  /// Opens a file and reads once from the offset on. Answers how many bytes there were, 0 at the file's end, or an error
  /// number below zero.
  package var read: @Sendable (_ path: String, _ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Int

  package init(
    allocate: @escaping @Sendable (Int32, Int) -> Int32, synchronise: @escaping @Sendable (Int32) -> Int32,
    read: @escaping @Sendable (String, Int, UnsafeMutableRawBufferPointer) -> Int = SpoolDisk.linux.read
  ) {
    self.allocate = allocate
    self.synchronise = synchronise
    self.read = read
  }

  package static let linux = SpoolDisk(
    allocate: { descriptor, bytes in
      var result: Int32
      repeat { result = posix_fallocate(descriptor, 0, off_t(bytes)) } while result == EINTR
      return result
    },
    synchronise: { descriptor in fdatasync(descriptor) == 0 ? 0 : errno },
    read: { path, offset, buffer in
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return -Int(errno) }
      defer { close(descriptor) }
      while true {
        let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
        if count >= 0 { return count }
        if errno != EINTR { return -Int(errno) }
      }
    }
  )
}
