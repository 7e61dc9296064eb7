// Reads what is to be shipped: batches of consecutive records, old epochs first.
//
// It reads the files and not the mappings: a page that the disk cannot give back is then an error, not a SIGBUS. An error
// moves nothing on. What could not be read is read again, and given up only where the disk keeps failing at it.

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
  private var patience = ReadPatience()
  /// Neither asked for nor counted a second time when the reader goes back, as long as they are remembered.
  private var givenUp: [UnreadableSlots] = []
  private static let rememberedGivenUp = 1_000

  package init(_ spool: UsageSpool) {
    self.spool = spool
  }

  /// Goes on behind this record: forward over what the control plane has already, or back to what it has lost.
  package mutating func move(to position: SpoolPosition) {
    if position < self.position { place = ("", 0) }
    self.position = position
  }

  /// The next records, nil when there are none.
  /// - Throws: when they cannot be read. The reader stays where it is: ask again after a pause. Damage that lasts is passed
  ///   over at the attempt `SpoolLimits.readAttempts`, and its records count as lost.
  package mutating func next() throws(SystemError) -> SpoolBatch? {
    let limit = spool.core.limits.batchRecords
    while true {
      let position = position
      let segment = spool.core.state.withLock { $0.segment(after: position) }
      guard let segment else { return nextFromMemory(limit: limit) }
      if let batch = try read(segment, limit: limit) { return batch }
      // The rest of the segment was given up, or it had holes at its end.
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

  private mutating func read(_ segment: SegmentEntry, limit: Int) throws(SystemError) -> SpoolBatch? {
    let seed = SpoolFormat.checksumSeed(epoch: segment.epoch)
    var slot = place.path == segment.path ? place.slot : 0
    var batch = SpoolBatch(epoch: segment.epoch, firstSequence: 0, records: [])
    let behind = position.epoch == segment.epoch ? position.sequence : 0
    while batch.records.count < limit, slot < segment.slots {
      if let end = endOfGivenUp(at: slot, of: segment) {
        slot = end
        continue
      }
      let bytes: [UInt8]
      do throws(SystemError) {
        bytes = try readSlots(segment, from: slot, limit: min(limit, segment.slots - slot))
      } catch {
        // What was read before it goes first; the error comes again.
        guard batch.records.isEmpty else { break }
        slot = try passOver(slot, of: segment, behind: behind, because: error)
        continue
      }
      patience.succeeded()
      for start in stride(from: 0, to: bytes.count, by: SpoolFormat.slotBytes) {
        let reading = bytes.withUnsafeBytes {
          SpoolFormat.readSlot(
            UnsafeRawBufferPointer(rebasing: $0[start..<start + SpoolFormat.slotBytes]), checksumSeed: seed)
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

  /// The bytes of the next slots, at least one: fewer than asked for where what follows them cannot be read.
  private func readSlots(
    _ segment: SegmentEntry, from slot: Int, limit: Int
  ) throws(SystemError) -> [UInt8] {
    let offset = SpoolFormat.headerBytes + slot * SpoolFormat.slotBytes
    var bytes = [UInt8](repeating: 0, count: limit * SpoolFormat.slotBytes)
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        spool.core.disk.read(
          segment.path, offset + done, UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
      }
      guard count > 0 else {
        done -= done % SpoolFormat.slotBytes
        if done > 0 { break }
        throw SystemError("read", segment.path, code: count == 0 ? ENODATA : Int32(clamping: -count))
      }
      done += count
    }
    bytes.removeLast(bytes.count - done)
    return bytes
  }
}

// MARK: What cannot be read

private struct UnreadableSlots {
  var path: String
  var slots: Range<Int>
}

extension SpoolReader {
  private func endOfGivenUp(at slot: Int, of segment: SegmentEntry) -> Int? {
    givenUp.first { $0.path == segment.path && $0.slots.contains(slot) }?.slots.upperBound
  }

  /// Gives up what cannot be read once the disk has had its attempts.
  /// - Returns: the slot to go on from
  /// - Throws: the error, until then
  private mutating func passOver(
    _ slot: Int, of segment: SegmentEntry, behind: UInt64, because error: SystemError
  ) throws(SystemError) -> Int {
    let core = spool.core
    if error.code == ENOENT, !core.state.withLock({ $0.holds(segment.path) }) {
      // Upkeep has removed it since it was looked up, so all of it was acknowledged.
      return segment.slots
    }
    place = (segment.path, slot)
    guard patience.failed(error, limits: core.limits) else { throw error }
    let (end, records) = unreadable(from: slot, of: segment, behind: behind, because: error)
    if givenUp.count == Self.rememberedGivenUp { givenUp.removeFirst() }
    givenUp.append(UnreadableSlots(path: segment.path, slots: slot..<end))
    core.state.withLock { $0.lost &+= records }
    core.logger.error(
      "records of the spool cannot be read and are given up",
      metadata: ["reason": "\(error)", "records": "\(records)"])
    return end
  }

  /// How far the slots from this one on cannot be read, which is asked for no more of them than one batch takes, and how
  /// many records they hold that are still to be shipped.
  private func unreadable(
    from slot: Int, of segment: SegmentEntry, behind: UInt64, because error: SystemError
  ) -> (end: Int, records: UInt64) {
    let seed = SpoolFormat.checksumSeed(epoch: segment.epoch)
    let farthest = min(segment.slots, slot + spool.core.limits.batchRecords)
    var end = error.isGone ? segment.slots : slot + 1
    var last = segment.last
    while end < farthest {
      do throws(SystemError) {
        let bytes = try readSlots(segment, from: end, limit: 1)
        let reading = bytes.withUnsafeBytes { SpoolFormat.readSlot($0, checksumSeed: seed) }
        if case .entry(let entry) = reading { last = max(1, entry.sequence) - 1 }
        break
      } catch {
        guard error.isDamage else { break }
        end += 1
      }
    }
    return (end, min(UInt64(end - slot), last > behind ? last - behind : 0))
  }
}
