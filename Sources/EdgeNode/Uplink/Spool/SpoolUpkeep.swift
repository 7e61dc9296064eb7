// Everything about the spool that waits for the disk: group commit, new segments, moving memory to disk, removing what
// is acknowledged. One round after another, never two at once, on a thread of its own.

import Glibc
import Logging

/// What upkeep remembers between rounds.
struct SpoolUpkeep: ~Copyable {
  private var announced: UInt64 = 0
  private var nextOrdinal: UInt32 = 0
  private var space = DiskRetry()
  private var repairs = DiskRetry()
  private var reportedLost: UInt64 = 0
  /// Segments whose descriptor has failed once, by path.
  private var failed: Set<String> = []

  /// - Parameter now: seconds of a clock that never goes back
  mutating func round(_ core: SpoolCore, now: Double) {
    announce(core)
    replenish(core, now: now)
    while core.state.withLock({ $0.drainMemory(limit: 256) }) {}
    replenish(core, now: now)
    synchronise(core, now: now)
    removeKept(core, now: now)
    reportLosses(core)
  }

  private mutating func announce(_ core: SpoolCore) {
    let sequence = core.state.withLock { $0.sequence }
    guard sequence != announced else { return }
    announced = sequence
    core.arrivals.raise()
  }

  private mutating func reportLosses(_ core: SpoolCore) {
    let lost = core.state.withLock { $0.lost }
    guard lost != reportedLost else { return }
    core.logger.error(
      "usage records lost; make room on the disk of the spool, or replace it where it cannot be read",
      metadata: ["lost_records": "\(lost)", "newly_lost": "\(lost - reportedLost)"])
    reportedLost = lost
  }

  // MARK: Segments

  private mutating func replenish(_ core: SpoolCore, now: Double) {
    while core.state.withLock({ $0.spares.count }) < core.limits.spareSegments, space.allows(now) {
      do throws(SystemError) {
        let segment = try makeSegment(core)
        core.state.withLock { $0.spares.append(segment) }
        if space.succeeded() { core.logger.notice("the spool has room on its disk again") }
      } catch {
        if error.code == ENOSPC || error.code == EDQUOT, makeRoom(core) { continue }
        if space.refused(now, limits: core.limits) {
          core.logger.error(
            "the spool gets no room on its disk; records go to memory once its segments are full",
            metadata: ["reason": "\(error)"])
        }
      }
    }
  }

  private mutating func makeSegment(_ core: SpoolCore) throws(SystemError) -> MappedSegment {
    let path = core.folder.segmentPath(epoch: core.epoch, ordinal: nextOrdinal)
    let held = core.state.withLock { state in
      state.catalogue.segments.count + state.spares.count + (state.active == nil ? 0 : 1)
    }
    guard (held + 1) * core.limits.segmentBytes <= core.limits.diskBytes else {
      throw SystemError(
        "stay within the spool's limit of \(core.limits.diskBytes) bytes with", path, code: EDQUOT)
    }
    let segment = try MappedSegment(
      path: path, ordinal: nextOrdinal, bytes: core.limits.segmentBytes, disk: core.disk)
    nextOrdinal += 1
    do throws(SystemError) {
      try DurableFile.synchroniseFolder(core.folder.path)
    } catch {
      unlink(path)
      throw error
    }
    return segment
  }

  /// Gives up the oldest acknowledged segment before its time.
  private func makeRoom(_ core: SpoolCore) -> Bool {
    guard let segment = core.state.withLock({ $0.catalogue.removeOldestAcknowledged() }) else { return false }
    return remove([segment], core)
  }

  private func removeKept(_ core: SpoolCore, now: Double) {
    let removed = core.state.withLock { state in
      state.catalogue.removeKept(
        now: now, keepSeconds: core.limits.keepSeconds, keepSegments: core.limits.keepSegments)
    }
    if !removed.isEmpty { _ = remove(removed, core) }
  }

  /// - Returns: whether every file is gone
  private func remove(_ segments: [SegmentEntry], _ core: SpoolCore) -> Bool {
    do throws(SystemError) {
      for segment in segments where unlink(segment.path) != 0 && errno != ENOENT {
        throw SystemError("remove", segment.path)
      }
      try DurableFile.synchroniseFolder(core.folder.path)
      return true
    } catch {
      core.logger.warning("an acknowledged segment of the spool stays", metadata: ["reason": "\(error)"])
      return false
    }
  }

  // MARK: Group commit

  private mutating func synchronise(_ core: SpoolCore, now: Double) {
    guard repairs.allows(now) else { return }
    for target in core.state.withLock({ $0.unsynchronised() }) {
      if !failed.contains(target.segment.path) {
        let refusal = core.disk.synchronise(target.segment.descriptor)
        if refusal == 0 {
          core.state.withLock { $0.synchronised(target) }
          continue
        }
        core.logger.error(
          "a segment of the spool could not be synchronised; its records are copied to a new file",
          metadata: ["reason": "\(SystemError("synchronise", target.segment.path, code: refusal))"])
      }
      replace(target, core, now: now)
    }
  }

  /// Writes what a failed descriptor holds to a new file and puts that in its place.
  ///
  /// The failed one is never synchronised again: the kernel has marked its pages clean, so that a second call would
  /// report success over data that never reached the disk.
  private mutating func replace(_ target: SynchronisationTarget, _ core: SpoolCore, now: Double) {
    core.state.withLock { $0.sealIfActive(target.segment) }
    failed.insert(target.segment.path)
    guard let count = core.state.withLock({ $0.sealedCount(target.segment) }) else { return }
    do throws(SystemError) {
      try copy(target.segment, slots: count, core)
      core.state.withLock { $0.synchronised(SynchronisationTarget(segment: target.segment, count: count)) }
      failed.remove(target.segment.path)
      if repairs.succeeded() { core.logger.notice("the spool's disk takes records again") }
    } catch {
      if repairs.refused(now, limits: core.limits) {
        core.logger.error(
          "records of the spool are not on stable storage; they outlive this process but not a loss of power",
          metadata: ["reason": "\(error)"])
      }
    }
  }

  private func copy(_ segment: MappedSegment, slots: Int, _ core: SpoolCore) throws(SystemError) {
    let temporary = segment.path + ".new"
    let bytes = try DurableFile.readBytes(
      atMost: SpoolFormat.headerBytes + slots * SpoolFormat.slotBytes, from: segment.descriptor, at: 0,
      path: segment.path)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw SystemError("create", temporary) }
    do throws(SystemError) {
      try DurableFile.writeAll(bytes, to: descriptor, path: temporary)
      let refusal = core.disk.synchronise(descriptor)
      guard refusal == 0 else { throw SystemError("synchronise", temporary, code: refusal) }
    } catch {
      close(descriptor)
      unlink(temporary)
      throw error
    }
    close(descriptor)
    guard rename(temporary, segment.path) == 0 else { throw SystemError("rename", temporary) }
    try DurableFile.synchroniseFolder(core.folder.path)
  }

  /// A last round: everything to stable storage, and the empty segments gone.
  mutating func finish(_ core: SpoolCore, now: Double) {
    round(core, now: now)
    let waiting = core.state.withLock { $0.memory.count }
    if waiting > 0 {
      core.logger.error(
        "the spool ends with records in memory that its disk did not take; they are lost with the process",
        metadata: ["records": "\(waiting)"])
    }
    let spares = core.state.withLock { state in
      let spares = state.spares
      state.spares = []
      return spares
    }
    for spare in spares where unlink(spare.path) != 0 {
      core.logger.warning(
        "an empty segment stays", metadata: ["reason": "\(SystemError("remove", spare.path))"])
    }
  }
}
