// What a former process left in a segment: read once at start, its torn tail cut.

import Glibc

/// The findings of one segment.
struct SegmentScan: Equatable {
  var first: UInt64 = 0
  var last: UInt64 = 0
  var count = 0
  /// Slots at the end that were begun and never finished; by `kill -9` at most one.
  var torn = 0
  /// Slots before the last good one that cannot be read: damage on the disk, or pages lost with the power.
  var damaged = 0
  /// Slots up to and including the last good one.
  var usedSlots = 0
  /// Written by a build that this one cannot read: left alone.
  var unknownVersion = false

  /// Scans the bytes of a whole segment file.
  /// - Parameter epoch: from the file's name; a header that is damaged loses nothing, because every slot proves its epoch
  init(_ bytes: UnsafeRawBufferPointer, epoch: UInt64) {
    if SpoolFormat.readHeader(bytes) == .unknownVersion {
      unknownVersion = true
      return
    }
    let seed = SpoolFormat.checksumSeed(epoch: epoch)
    var unreadable = 0
    // A file cut by another tool may end inside a slot, which is then torn as well.
    let body = max(0, bytes.count - SpoolFormat.headerBytes)
    for index in 0..<(body + SpoolFormat.slotBytes - 1) / SpoolFormat.slotBytes {
      let start = SpoolFormat.headerBytes + index * SpoolFormat.slotBytes
      let slot = UnsafeRawBufferPointer(
        rebasing: bytes[start..<min(bytes.count, start + SpoolFormat.slotBytes)])
      switch SpoolFormat.readSlot(slot, checksumSeed: seed) {
      case .entry(let entry) where entry.sequence > last:
        if count == 0 { first = entry.sequence }
        last = entry.sequence
        count += 1
        damaged += unreadable
        unreadable = 0
        usedSlots = index + 1
      case .entry, .damaged: unreadable += 1
      case .empty: break
      }
    }
    torn = unreadable
  }

  /// Scans a file and cuts it after its last good entry, which also gives back the space that was allocated ahead.
  static func recover(_ name: SegmentName, limitBytes: Int) throws(SystemError) -> SegmentScan {
    guard let bytes = try DurableFile.read(name.path, limitBytes: limitBytes) else { return SegmentScan() }
    let scan = bytes.withUnsafeBytes { SegmentScan($0, epoch: name.epoch) }
    if scan.unknownVersion { return scan }
    let end = SpoolFormat.headerBytes + scan.usedSlots * SpoolFormat.slotBytes
    if end < bytes.count, truncate(name.path, off_t(end)) != 0 { throw SystemError("cut", name.path) }
    return scan
  }

  private init() {}
}

/// What was found at start.
package struct SpoolRecovery: Sendable, Equatable {
  package var segments = 0
  package var records = 0
  package var tornEntries = 0
  package var damagedEntries = 0
}
