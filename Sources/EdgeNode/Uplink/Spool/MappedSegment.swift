// A segment file of this process: allocated in full, mapped for writing, closed when the last owner lets go.

import Glibc

/// A file whose mapping takes entries.
///
/// Its memory is shared with the page cache, so what is stored in it outlives the process at once, and the machine after
/// `synchronise`.
///
/// `@unchecked Sendable`: the fields never change, and the mapped memory is written only by who holds the spool's lock.
final class MappedSegment: @unchecked Sendable {
  let path: String
  let ordinal: UInt32
  let descriptor: Int32
  let base: UnsafeMutableRawPointer
  let bytes: Int

  /// Creates the file. Nothing stays behind when it cannot be made.
  init(path: String, ordinal: UInt32, bytes: Int, disk: SpoolDisk) throws(SystemError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw SystemError("create", path) }
    let refusal = disk.allocate(descriptor, bytes)
    guard refusal == 0 else {
      close(descriptor)
      unlink(path)
      throw SystemError("allocate \(bytes) bytes for", path, code: refusal)
    }
    // Populated now, so that the first write to a page need not wait for the disk to say that the page is empty.
    let mapping = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | Int32(MAP_POPULATE), descriptor, 0)
    guard let mapping, mapping != MAP_FAILED else {
      let error = SystemError("map", path)
      close(descriptor)
      unlink(path)
      throw error
    }
    self.path = path
    self.ordinal = ordinal
    self.descriptor = descriptor
    self.base = mapping
    self.bytes = bytes
  }

  deinit {
    munmap(base, bytes)
    close(descriptor)
  }

  var slots: Int { SpoolFormat.slots(inSegmentBytes: bytes) }

  func slot(_ index: Int) -> UnsafeMutableRawPointer {
    base + SpoolFormat.headerBytes + index * SpoolFormat.slotBytes
  }
}
