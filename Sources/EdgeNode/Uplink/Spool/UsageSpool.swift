// The durable log of usage records: appended to by the data path, read by the shipper, looked after by its own thread.
//
// A record is numbered when it is appended: (epoch of this process, sequence from 1). A number whose record was lost
// stays a hole, and the control plane learns of it as a gap between two batches.

import CLinux
import Glibc
import Logging
import StraitProtocol
import Synchronization

/// What the three of them share.
final class SpoolCore: Sendable {
  let folder: SpoolFolder
  let limits: SpoolLimits
  let disk: SpoolDisk
  let logger: Logger
  let epoch: UInt64
  let state: Mutex<SpoolState>
  let arrivals = Signal()

  init(
    folder: consuming SpoolFolder, limits: SpoolLimits, disk: SpoolDisk, logger: Logger, epoch: UInt64,
    catalogue: SpoolCatalogue
  ) {
    self.folder = folder
    self.limits = limits
    self.disk = disk
    self.logger = logger
    self.epoch = epoch
    state = Mutex(SpoolState(epoch: epoch, catalogue: catalogue, memoryRecords: limits.memoryRecords))
  }
}

/// Durable log of usage records in `<directory>`.
///
/// When `append` returns, the record outlives the process (`kill -9` included); within 100 ms it outlives a loss of
/// power. Close it before letting go: its thread keeps it alive until then.
package final class UsageSpool: UsageSink {
  let core: SpoolCore
  /// What a former process left behind.
  package let recovery: SpoolRecovery
  private let upkeep = Mutex(SpoolUpkeep())
  private let alarm: Alarm
  private let thread = Mutex<pthread_t?>(nil)

  /// Opens the spool and recovers what is there.
  /// - Parameters:
  ///   - directory: made when missing; held by one process at a time
  ///   - upkeepThread: false leaves upkeep to `performUpkeep`, for tests
  ///   - wallClock: microseconds since 1970
  /// - Throws: `SystemError` when the folder cannot be made, is in use, or cannot be read. A full disk is no error.
  package init(
    directory: String, limits: SpoolLimits = SpoolLimits(), logger: Logger, disk: SpoolDisk = .linux,
    upkeepThread: Bool = true, wallClock: Int64 = wallClockMicroseconds()
  ) throws {
    let folder = try SpoolFolder(path: directory)
    let found = try Self.recover(folder, logger: logger)
    let (epoch, unwritten) = folder.nextEpoch(
      after: found.highestEpoch, wallClock: UInt64(max(0, wallClock)))
    if let unwritten {
      logger.error("the spool's epoch is not written down", metadata: ["reason": "\(unwritten)"])
    }
    recovery = found.summary
    alarm = try Alarm()
    core = SpoolCore(
      folder: folder, limits: limits, disk: disk, logger: logger, epoch: epoch, catalogue: found.catalogue)
    performUpkeep()
    if recovery.records > 0 { arrivals.raise() }
    if upkeepThread { try startThread() }
  }

  /// Appends a record. Never waits for the disk; allocates nothing but when a segment is full.
  package func append(_ record: UsageRecord) {
    let filled = core.state.withLock { $0.append(record) }
    if filled { alarm.ring() }
  }

  /// Records not acknowledged by the control plane.
  package var depth: Int { core.state.withLock { $0.depth } }

  /// Records lost since this process started.
  package var lost: UInt64 { core.state.withLock { $0.lost } }

  /// The number of this process among those that wrote here.
  package var epoch: UInt64 { core.epoch }

  /// Raised when there are records to ship. For one listener.
  package var arrivals: Signal { core.arrivals }

  /// Notes what the control plane has committed, which may be less than before.
  package func acknowledge(epoch: UInt64, through sequence: UInt64) {
    core.state.withLock { $0.acknowledge(epoch: epoch, through: sequence, now: monotonicSeconds()) }
  }

  /// Notes that the control plane has lost commits: of no epoch is it known any more how far it is committed.
  package func forgetAcknowledgements() {
    core.state.withLock { $0.catalogue.forgetAcknowledgements() }
  }

  /// Whether records of former processes are still kept, acknowledged or not.
  package var keepsFormerEpochs: Bool {
    let epoch = core.epoch
    return core.state.withLock { state in state.catalogue.segments.contains { $0.epoch != epoch } }
  }

  package func watermark(of epoch: UInt64) -> UInt64 {
    core.state.withLock { $0.catalogue.watermark(of: epoch) }
  }

  /// The last number of a former process's epoch; nil for the present one.
  package func formerEnd(of epoch: UInt64) -> UInt64? {
    guard epoch != core.epoch else { return nil }
    return core.state.withLock { $0.catalogue.end(of: epoch) }
  }

  /// One round of what the thread does.
  package func performUpkeep(now: Double = monotonicSeconds()) {
    upkeep.withLock { $0.round(core, now: now) }
  }

  /// Stops the thread and brings what is there to stable storage. The spool takes records even afterwards, but nobody
  /// looks after them.
  package func close() {
    let running = thread.withLock { thread in
      let running = thread
      thread = nil
      return running
    }
    if let running {
      alarm.stop()
      pthread_join(running, nil)
    }
    upkeep.withLock { $0.finish(core, now: monotonicSeconds()) }
    core.folder.unlock()
  }

  // MARK: Thread

  private func startThread() throws {
    var handle = pthread_t()
    let spool = Unmanaged.passRetained(self)
    let refusal = pthread_create(&handle, nil, spoolThread, spool.toOpaque())
    guard refusal == 0 else {
      spool.release()
      throw SystemError("start the thread of", core.folder.path, code: refusal)
    }
    thread.withLock { $0 = handle }
  }

  fileprivate func runUpkeep() {
    while alarm.wait(milliseconds: core.limits.upkeepMilliseconds) { performUpkeep() }
  }
}

private func spoolThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  strait_name_thread("spool")
  // It may lose its core while it holds the lock that workers append under.
  strait_request_short_slices()
  Unmanaged<UsageSpool>.fromOpaque(argument).takeRetainedValue().runUpkeep()
  return nil
}

// MARK: Recovery

extension UsageSpool {
  private struct Found {
    var catalogue = SpoolCatalogue()
    var summary = SpoolRecovery()
    var highestEpoch: UInt64 = 0
  }

  /// Larger than any segment this software writes.
  private static let largestSegmentBytes = 1 << 30

  private static func recover(_ folder: borrowing SpoolFolder, logger: Logger) throws(SystemError) -> Found {
    var found = Found()
    for name in try folder.segments() {
      found.highestEpoch = max(found.highestEpoch, name.epoch)
      let scan = try SegmentScan.recover(name, limitBytes: largestSegmentBytes)
      if scan.unknownVersion {
        logger.error("a segment of another version is left alone", metadata: ["file": "\(name.path)"])
        continue
      }
      found.summary.tornEntries += scan.torn
      found.summary.damagedEntries += scan.damaged
      guard scan.count > 0 else {
        // Made ready and never used.
        guard unlink(name.path) == 0 else { throw SystemError("remove", name.path) }
        continue
      }
      found.summary.segments += 1
      found.summary.records += scan.count
      found.catalogue.segments.append(
        SegmentEntry(
          path: name.path, epoch: name.epoch, ordinal: name.ordinal, first: scan.first, last: scan.last,
          count: scan.count, slots: scan.usedSlots))
    }
    report(found.summary, logger: logger)
    return found
  }

  private static func report(_ summary: SpoolRecovery, logger: Logger) {
    guard summary.records + summary.tornEntries + summary.damagedEntries > 0 else { return }
    logger.notice(
      "recovered the spool",
      metadata: [
        "segments": "\(summary.segments)", "records": "\(summary.records)",
        "torn_entries": "\(summary.tornEntries)", "damaged_entries": "\(summary.damagedEntries)",
      ])
  }
}
