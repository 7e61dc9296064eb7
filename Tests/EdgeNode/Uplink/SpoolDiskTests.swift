import EdgeUplink
import Glibc
import StraitProtocol
import Synchronization
import Testing

@Suite("The spool and its disk")
struct SpoolDiskTests {
  @Test("goes on in a new segment when one is full, in order and without a gap")
  func roll() throws {
    let folder = try ScratchFolder()
    let spool = try UsageSpool(
      directory: folder.path, limits: .small(slots: 4), logger: quiet, upkeepThread: false)
    defer { spool.close() }
    for number in 1...30 as ClosedRange<UInt64> {
      spool.append(.numbered(number))
      spool.performUpkeep()
    }
    #expect(spool.drain().map(\.sequence) == Array(1...30))
    // 30 records in segments of 4 fill 7 and begin an eighth; 2 stand ready.
    #expect(segments(folder.path).count == 10)
  }

  @Test("is read on by a reader that had everything before, and again by one that goes back")
  func readOn() throws {
    let folder = try ScratchFolder()
    let spool = try UsageSpool(
      directory: folder.path, limits: .small(slots: 8), logger: quiet, upkeepThread: false)
    defer { spool.close() }
    var reader = SpoolReader(spool)
    let nothing = try reader.next()
    #expect(nothing == nil)
    for number in 1...20 as ClosedRange<UInt64> {
      spool.append(.numbered(number))
      let next = try reader.next()
      let batch = try #require(next)
      #expect(batch.firstSequence == number)
      #expect(batch.records == [.numbered(number)])
      let rest = try reader.next()
      #expect(rest == nil)
      spool.performUpkeep()
    }
    reader.move(to: SpoolPosition(epoch: spool.epoch, sequence: 13))
    let again = try reader.next()
    #expect(again?.firstSequence == 14)
  }

  @Test("deletes a segment only when all of it is acknowledged and its time is over")
  func deletion() throws {
    let folder = try ScratchFolder()
    var limits = SpoolLimits.small(slots: 4)
    limits.keepSeconds = 600
    let spool = try UsageSpool(directory: folder.path, limits: limits, logger: quiet, upkeepThread: false)
    defer { spool.close() }
    for number in 1...12 as ClosedRange<UInt64> {
      spool.append(.numbered(number))
      spool.performUpkeep()
    }
    let all = segments(folder.path)
    spool.acknowledge(epoch: spool.epoch, through: 7)
    #expect(spool.depth == 5)
    spool.performUpkeep(now: monotonicSeconds() + 599)
    #expect(segments(folder.path) == all, "its time is not over")
    spool.performUpkeep(now: monotonicSeconds() + 601)
    #expect(
      segments(folder.path) == Array(all.dropFirst()), "1 to 4 are gone; 5 to 8 are acknowledged in part")
    #expect(spool.drain().map(\.sequence) == Array(5...12))
  }

  @Test("keeps what was acknowledged, of former epochs too, once the control plane has lost commits")
  func forgottenAcknowledgements() throws {
    let folder = try ScratchFolder()
    let first = try UsageSpool(
      directory: folder.path, limits: .small(slots: 4), logger: quiet, upkeepThread: false)
    for number in 1...4 as ClosedRange<UInt64> { first.append(.numbered(number)) }
    first.close()
    let spool = try UsageSpool(
      directory: folder.path, limits: .small(slots: 4), logger: quiet, upkeepThread: false)
    defer { spool.close() }
    for number in 1...5 as ClosedRange<UInt64> {
      spool.append(.numbered(number))
      spool.performUpkeep()
    }
    spool.acknowledge(epoch: first.epoch, through: 4)
    spool.acknowledge(epoch: spool.epoch, through: 5)
    #expect(spool.depth == 0)
    spool.forgetAcknowledgements()
    #expect(spool.depth == 9)
    #expect(spool.watermark(of: first.epoch) == 0 && spool.watermark(of: spool.epoch) == 0)
    let all = segments(folder.path)
    spool.performUpkeep(now: monotonicSeconds() + 601)
    #expect(segments(folder.path) == all)
    #expect(spool.keepsFormerEpochs)
    // Control: acknowledged again, the former epoch's segment goes when its time is over.
    spool.acknowledge(epoch: first.epoch, through: 4)
    spool.performUpkeep(now: monotonicSeconds() + 601)
    #expect(segments(folder.path) == Array(all.dropFirst()))
    #expect(!spool.keepsFormerEpochs)
  }

  @Test("keeps no more acknowledged segments than its limit, whatever their age")
  func keepCount() throws {
    let folder = try ScratchFolder()
    var limits = SpoolLimits.small(slots: 2)
    limits.keepSegments = 1
    let spool = try UsageSpool(directory: folder.path, limits: limits, logger: quiet, upkeepThread: false)
    defer { spool.close() }
    for number in 1...8 as ClosedRange<UInt64> {
      spool.append(.numbered(number))
      spool.performUpkeep()
    }
    spool.acknowledge(epoch: spool.epoch, through: 6)
    spool.performUpkeep()
    #expect(spool.drain().map(\.sequence) == [5, 6, 7, 8])
    #expect(spool.depth == 2)
  }

  @Test(
    "holds records in memory while the disk is full, ships them meanwhile, and moves them to disk afterwards")
  func fullDisk() throws {
    let folder = try ScratchFolder()
    let disk = FaultyDisk()
    let spool = try UsageSpool(
      directory: folder.path, limits: .small(slots: 4, spares: 1), logger: quiet, disk: disk.calls,
      upkeepThread: false)
    disk.refuseSpace(ENOSPC)
    for number in 1...10 as ClosedRange<UInt64> { spool.append(.numbered(number)) }
    spool.performUpkeep()
    #expect(spool.depth == 10)
    #expect(spool.drain().map(\.sequence) == Array(1...10), "4 from disk, 6 from memory")

    disk.refuseSpace(0)
    spool.performUpkeep(now: monotonicSeconds() + 2)
    spool.performUpkeep(now: monotonicSeconds() + 2)
    #expect(spool.drain().map(\.sequence) == Array(1...10))
    #expect(spool.lost == 0)
    spool.close()
    let second = try UsageSpool(directory: folder.path, limits: .small(), logger: quiet, upkeepThread: false)
    defer { second.close() }
    #expect(second.drain().map(\.record) == (1...10).map { .numbered($0) })
  }

  @Test("counts what neither disk nor memory takes, and leaves a hole at its numbers")
  func overflow() throws {
    let folder = try ScratchFolder()
    let disk = FaultyDisk()
    var limits = SpoolLimits.small(slots: 4, spares: 1)
    limits.memoryRecords = 3
    let spool = try UsageSpool(
      directory: folder.path, limits: limits, logger: quiet, disk: disk.calls, upkeepThread: false)
    defer { spool.close() }
    disk.refuseSpace(ENOSPC)
    for number in 1...10 as ClosedRange<UInt64> { spool.append(.numbered(number)) }
    #expect(spool.lost == 3)
    disk.refuseSpace(0)
    spool.performUpkeep(now: monotonicSeconds() + 2)
    for number in 11...12 as ClosedRange<UInt64> { spool.append(.numbered(number)) }
    // 1…4 on disk, 5…7 in memory, 8…10 lost.
    #expect(spool.drain().map(\.sequence) == [1, 2, 3, 4, 5, 6, 7, 11, 12])
    var reader = SpoolReader(spool)
    var batches: [ClosedRange<UInt64>] = []
    while let batch = try reader.next() { batches.append(batch.firstSequence...batch.lastSequence) }
    #expect(batches.contains { $0.lowerBound == 11 }, "a batch never spans a hole")
    #expect(batches.allSatisfy { $0.upperBound <= 7 || $0.lowerBound >= 11 })
  }

  @Test("gives up acknowledged segments early to make room on a full disk")
  func makesRoom() throws {
    let folder = try ScratchFolder()
    let disk = FaultyDisk()
    let spool = try UsageSpool(
      directory: folder.path, limits: .small(slots: 2, spares: 1), logger: quiet, disk: disk.calls,
      upkeepThread: false)
    defer { spool.close() }
    for number in 1...6 as ClosedRange<UInt64> {
      spool.append(.numbered(number))
      spool.performUpkeep()
    }
    spool.acknowledge(epoch: spool.epoch, through: 4)
    let before = segments(folder.path).count
    spool.append(.numbered(7))
    disk.refuseSpace(ENOSPC, times: 1)
    spool.performUpkeep()
    #expect(segments(folder.path).count == before, "one given up, one made")
    #expect(spool.drain().map(\.sequence).contains(5))
  }

  @Test("keeps within its own limit of disk space")
  func diskLimit() throws {
    let folder = try ScratchFolder()
    var limits = SpoolLimits.small(slots: 2, spares: 1)
    limits.diskBytes = limits.segmentBytes * 3
    let spool = try UsageSpool(directory: folder.path, limits: limits, logger: quiet, upkeepThread: false)
    defer { spool.close() }
    for number in 1...20 as ClosedRange<UInt64> {
      spool.append(.numbered(number))
      spool.performUpkeep()
    }
    #expect(segments(folder.path).count == 3)
    #expect(spool.drain().map(\.sequence) == Array(1...20), "the rest waits in memory")
  }

  @Test(
    "copies a segment to a new file when it could not be synchronised, and never asks the old descriptor again"
  )
  func failedSynchronise() throws {
    let folder = try ScratchFolder()
    let disk = FaultyDisk()
    let spool = try UsageSpool(
      directory: folder.path, limits: .small(slots: 8), logger: quiet, disk: disk.calls, upkeepThread: false)
    for number in 1...3 as ClosedRange<UInt64> { spool.append(.numbered(number)) }
    let path = "\(folder.path)/\(try #require(segments(folder.path).first))"
    let before = try inode(path)
    disk.failNextSynchronise()
    spool.performUpkeep()
    #expect(try inode(path) != before, "another file has its name")
    for number in 4...5 as ClosedRange<UInt64> { spool.append(.numbered(number)) }
    spool.performUpkeep()
    #expect(disk.synchronisedAfterFailure == [], "the failed descriptor was not asked again")
    #expect(spool.drain().map(\.record) == (1...5).map { .numbered($0) })
    spool.close()
    let second = try UsageSpool(directory: folder.path, limits: .small(), logger: quiet, upkeepThread: false)
    defer { second.close() }
    #expect(second.drain().map(\.record) == (1...5).map { .numbered($0) })
    #expect(!listing(folder.path).contains { $0.hasSuffix(".new") })
  }

  @Test("goes on taking records while every synchronise fails, and repairs itself afterwards")
  func lastingSynchroniseFailure() throws {
    let folder = try ScratchFolder()
    let disk = FaultyDisk()
    let spool = try UsageSpool(
      directory: folder.path, limits: .small(slots: 4), logger: quiet, disk: disk.calls, upkeepThread: false)
    disk.failEverySynchronise(true)
    let start = monotonicSeconds()
    for number in 1...20 as ClosedRange<UInt64> {
      spool.append(.numbered(number))
      spool.performUpkeep(now: start + Double(number))
    }
    #expect(spool.drain().map(\.sequence) == Array(1...20))
    disk.failEverySynchronise(false)
    for round in 1...4 { spool.performUpkeep(now: start + 1000 * Double(round)) }
    #expect(disk.synchronisedAfterFailure == [])
    spool.close()
    let second = try UsageSpool(directory: folder.path, limits: .small(), logger: quiet, upkeepThread: false)
    defer { second.close() }
    #expect(second.drain().map(\.record) == (1...20).map { .numbered($0) })
  }

  private func inode(_ path: String) throws -> UInt {
    var status = stat()
    try #require(stat(path, &status) == 0)
    return UInt(status.st_ino)
  }
}

/// A disk that refuses on demand.
private final class FaultyDisk: Sendable {
  private struct State {
    var spaceRefusal: Int32 = 0
    var refusalsLeft = Int.max
    var failures = 0
    var failsAlways = false
    /// Files whose synchronise failed, by inode, and a descriptor that keeps each inode from being used again.
    var failed: [UInt: Int32] = [:]
    var askedAgain: [UInt] = []
  }

  private let state = Mutex(State())

  deinit {
    for descriptor in state.withLock({ $0.failed.values }) { close(descriptor) }
  }

  func refuseSpace(_ code: Int32, times: Int = .max) {
    state.withLock {
      $0.spaceRefusal = code
      $0.refusalsLeft = times
    }
  }

  func failNextSynchronise() { state.withLock { $0.failures = 1 } }
  func failEverySynchronise(_ fails: Bool) { state.withLock { $0.failsAlways = fails } }
  var synchronisedAfterFailure: [UInt] { state.withLock { $0.askedAgain } }

  var calls: SpoolDisk {
    SpoolDisk(
      allocate: { descriptor, bytes in
        let refusal = self.state.withLock { state -> Int32 in
          guard state.spaceRefusal != 0, state.refusalsLeft > 0 else { return 0 }
          state.refusalsLeft -= 1
          return state.spaceRefusal
        }
        return refusal != 0 ? refusal : SpoolDisk.linux.allocate(descriptor, bytes)
      },
      synchronise: { descriptor in
        var status = stat()
        fstat(descriptor, &status)
        let inode = UInt(status.st_ino)
        let fails = self.state.withLock { state -> Bool in
          if state.failed[inode] != nil { state.askedAgain.append(inode) }
          guard state.failsAlways || state.failures > 0 else { return false }
          state.failures -= 1
          if state.failed[inode] == nil { state.failed[inode] = dup(descriptor) }
          return true
        }
        return fails ? EIO : SpoolDisk.linux.synchronise(descriptor)
      })
  }
}
