// Reads what is to be shipped: batches of consecutive records, old epochs first.
//
// It reads the files and not the mappings: a page that the disk cannot give back is then an error, not a SIGBUS.

import Glibc
import Logging
import StraitProtocol

/// Consecutive records of one epoch.
package struct SpoolBatch: Sendable, Equatable {
  package var epoch: UInt64
  package var firstSequence: UInt64
  package var records: [UsageRecord]

  package var lastSequence: UInt64 { firstSequence + UInt64(records.count) - 1 }
}

/// A reader with a place of its own. Used by one task at a time.
package struct SpoolReader {
  private let spool: UsageSpool
  private var position = SpoolPosition.start
  /// Where the position is in its segment, so that reading on need not start from the segment's front.
  private var place: (path: String, slot: Int) = ("", 0)

  package init(_ spool: UsageSpool) {
    self.spool = spool
  }

  /// Goes on behind this record: forward over what the control plane has already, or back to what it has lost.
  package mutating func move(to position: SpoolPosition) {
    if position < self.position { place = ("", 0) }
    self.position = position
  }

  /// The next records, nil when there are none.
  package mutating func next() -> SpoolBatch? {
    let limit = spool.core.limits.batchRecords
    while true {
      let position = position
      let segment = spool.core.state.withLock { $0.segment(after: position) }
      guard let segment else { return nextFromMemory(limit: limit) }
      if let batch = read(segment, limit: limit) { return batch }
      // The rest of the segment cannot be read, or it had holes at its end.
      self.position = segment.end
    }
  }

  private mutating func nextFromMemory(limit: Int) -> SpoolBatch? {
    let epoch = spool.epoch
    let behind = position.epoch == epoch ? position.sequence : 0
    let run = spool.core.state.withLock { $0.memory.run(after: behind, limit: limit) }
    guard let first = run.first, let last = run.last else { return nil }
    position = SpoolPosition(epoch: epoch, sequence: last.sequence)
    return SpoolBatch(epoch: epoch, firstSequence: first.sequence, records: run.map(\.record))
  }

  private mutating func read(_ segment: SegmentEntry, limit: Int) -> SpoolBatch? {
    let seed = SpoolFormat.checksumSeed(epoch: segment.epoch)
    var slot = place.path == segment.path ? place.slot : 0
    var batch = SpoolBatch(epoch: segment.epoch, firstSequence: 0, records: [])
    let behind = position.epoch == segment.epoch ? position.sequence : 0
    while batch.records.count < limit, slot < segment.slots {
      let bytes = readSlots(segment, from: slot, limit: min(limit, segment.slots - slot))
      if bytes.isEmpty { break }
      for start in stride(from: 0, to: bytes.count, by: SpoolFormat.slotBytes) {
        let end = min(bytes.count, start + SpoolFormat.slotBytes)
        let reading = bytes.withUnsafeBytes {
          SpoolFormat.readSlot(UnsafeRawBufferPointer(rebasing: $0[start..<end]), checksumSeed: seed)
        }
        if case .entry(let entry) = reading, entry.sequence > behind {
          if batch.records.isEmpty {
            batch.firstSequence = entry.sequence
          } else if entry.sequence != batch.lastSequence + 1 || batch.records.count == limit {
            return finish(batch, segment, nextSlot: slot)
          }
          batch.records.append(entry.record)
        }
        slot += 1
      }
    }
    return batch.records.isEmpty ? nil : finish(batch, segment, nextSlot: slot)
  }

  private mutating func finish(_ batch: SpoolBatch, _ segment: SegmentEntry, nextSlot: Int) -> SpoolBatch {
    position = SpoolPosition(epoch: batch.epoch, sequence: batch.lastSequence)
    place = (segment.path, nextSlot)
    return batch
  }

  /// The bytes of the next slots, empty at the end of the file.
  private func readSlots(_ segment: SegmentEntry, from slot: Int, limit: Int) -> [UInt8] {
    let offset = SpoolFormat.headerBytes + slot * SpoolFormat.slotBytes
    do throws(SystemError) {
      let descriptor = open(segment.path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw SystemError("open", segment.path) }
      defer { close(descriptor) }
      return try DurableFile.readBytes(
        atMost: limit * SpoolFormat.slotBytes, from: descriptor, at: offset, path: segment.path)
    } catch {
      spool.core.logger.error(
        "records of the spool cannot be read and are skipped",
        metadata: ["reason": "\(error)"])
      return []
    }
  }
}
