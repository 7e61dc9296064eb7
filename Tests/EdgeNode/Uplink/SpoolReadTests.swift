import EdgeUplink
import Glibc
import StraitProtocol
import Testing

@Suite("The spool and a disk that does not give it back")
struct SpoolReadTests {
  @Test(
    "skips nothing while files cannot be opened, however long that lasts",
    arguments: [EMFILE, ENFILE, ENOMEM, EACCES])
  func lackOfDescriptors(code: Int32) throws {
    let folder = try ScratchFolder()
    let disk = UnreadableDisk()
    let spool = try threeSegments(folder, disk)
    defer { spool.close() }
    var reader = SpoolReader(spool)
    disk.refuse(code)
    let refusals = reader.refusals(50)
    #expect(refusals == [code])
    disk.refuse(0)
    let all = try reader.rest()
    #expect(all == Array(1...12))
    #expect(spool.lost == 0)
  }

  @Test("waits for a segment whose place another thing has taken, and goes on when it is back")
  func folderInItsPlace() throws {
    let folder = try ScratchFolder()
    let spool = try threeSegments(folder, UnreadableDisk())
    defer { spool.close() }
    let path = "\(folder.path)/\(segments(folder.path)[1])"
    try #require(rename(path, path + ".away") == 0)
    try #require(mkdir(path, 0o700) == 0)
    var reader = SpoolReader(spool)
    let first = try reader.next()
    #expect(first?.lastSequence == 4)
    let refusals = reader.refusals(50)
    #expect(refusals == [EISDIR])
    try #require(rmdir(path) == 0)
    try #require(rename(path + ".away", path) == 0)
    let rest = try reader.rest()
    #expect(rest == Array(5...12))
    #expect(spool.lost == 0)
  }

  @Test("gives up nothing where the disk fails nine times in a row, and counts anew after that")
  func passingFailures() throws {
    let folder = try ScratchFolder()
    let disk = UnreadableDisk()
    let spool = try threeSegments(folder, disk)
    defer { spool.close() }
    var reader = SpoolReader(spool)
    for first in [1, 5, 9] as [UInt64] {
      disk.refuse(EIO, times: 9)
      let refusals = reader.refusals(9)
      #expect(refusals == [EIO])
      let batch = try reader.next()
      #expect(batch?.firstSequence == first && batch?.records.count == 4)
    }
    #expect(spool.lost == 0)
  }

  @Test("gives up the slots alone that stay unreadable, at the tenth attempt, and counts them once")
  func badSlots() throws {
    let folder = try ScratchFolder()
    let disk = UnreadableDisk()
    let spool = try threeSegments(folder, disk)
    defer { spool.close() }
    // Of 5, 6, 7, 8 the two in the middle.
    disk.damage("\(folder.path)/\(segments(folder.path)[1])", slots: 1...2)
    var reader = SpoolReader(spool)
    for last in [4, 5] as [UInt64] {
      let batch = try reader.next()
      #expect(batch?.lastSequence == last)
    }
    let refusals = reader.refusals(9)
    #expect(refusals == [EIO])
    #expect(spool.lost == 0)
    let rest = try reader.rest()
    #expect(rest == Array(8...12))
    #expect(spool.lost == 2)

    // Whoever goes back passes over them at once.
    reader.move(to: SpoolPosition(epoch: spool.epoch, sequence: 0))
    let again = try reader.rest()
    #expect(again == [1, 2, 3, 4, 5, 8, 9, 10, 11, 12])
    #expect(spool.lost == 2)
  }

  @Test("does not count as lost what was shipped before it became unreadable")
  func badSlotsAfterwards() throws {
    let folder = try ScratchFolder()
    let disk = UnreadableDisk()
    let spool = try threeSegments(folder, disk)
    defer { spool.close() }
    var reader = SpoolReader(spool)
    let all = try reader.rest()
    #expect(all == Array(1...12))
    disk.damage("\(folder.path)/\(segments(folder.path)[1])", slots: 1...2)
    // 6 and 7 are bad; 6 is behind the reader.
    reader.move(to: SpoolPosition(epoch: spool.epoch, sequence: 6))
    let refusals = reader.refusals(9)
    #expect(refusals == [EIO])
    let rest = try reader.rest()
    #expect(rest == Array(8...12))
    #expect(spool.lost == 1)
  }

  @Test("counts as lost what is in a file that somebody has removed or cut", arguments: [0, 2])
  func goneRecords(slotsLeft: Int) throws {
    let folder = try ScratchFolder()
    let spool = try threeSegments(folder, UnreadableDisk())
    defer { spool.close() }
    let path = "\(folder.path)/\(segments(folder.path)[1])"
    if slotsLeft == 0 {
      try #require(unlink(path) == 0)
    } else {
      let end = SpoolFormat.headerBytes + slotsLeft * SpoolFormat.slotBytes
      try #require(truncate(path, off_t(end)) == 0)
    }
    var reader = SpoolReader(spool)
    let readable: [UInt64] = slotsLeft == 0 ? [4] : [4, 6]
    for last in readable {
      let batch = try reader.next()
      #expect(batch?.lastSequence == last)
    }
    let refusals = reader.refusals(9)
    #expect(refusals == [slotsLeft == 0 ? ENOENT : ENODATA])
    let rest = try reader.rest()
    #expect(rest == Array(9...12))
    #expect(spool.lost == UInt64(4 - slotsLeft))
  }

  @Test("passes over a segment that upkeep removes as it is about to be opened: all of it was acknowledged")
  func removedMeanwhile() throws {
    let folder = try ScratchFolder()
    let disk = UnreadableDisk()
    let spool = try threeSegments(folder, disk)
    defer { spool.close() }
    spool.acknowledge(epoch: spool.epoch, through: 4)
    disk.beforeNextRead { spool.performUpkeep(now: monotonicSeconds() + 601) }
    let before = segments(folder.path)
    var reader = SpoolReader(spool)
    let rest = try reader.rest()
    #expect(segments(folder.path) == Array(before.dropFirst()))
    #expect(rest == Array(5...12))
    #expect(spool.lost == 0)
  }

  /// Records 1 to 12, four in each of three segments.
  private func threeSegments(_ folder: ScratchFolder, _ disk: UnreadableDisk) throws -> UsageSpool {
    let spool = try UsageSpool(
      directory: folder.path, limits: .small(slots: 4), logger: quiet, disk: disk.calls, upkeepThread: false)
    for number in 1...12 as ClosedRange<UInt64> {
      spool.append(.numbered(number))
      spool.performUpkeep()
    }
    return spool
  }
}

extension SpoolReader {
  /// The error numbers of so many reads; nil among them for one that gives records or has none.
  fileprivate mutating func refusals(_ count: Int) -> Set<Int32?> {
    var codes: Set<Int32?> = []
    for _ in 0..<count {
      do throws(SystemError) {
        _ = try next()
        codes.insert(nil)
      } catch {
        codes.insert(error.code)
      }
    }
    return codes
  }

  /// The numbers of everything from here to the end.
  fileprivate mutating func rest() throws -> [UInt64] {
    var numbers: [UInt64] = []
    while let batch = try next() { numbers += Array(batch.firstSequence...batch.lastSequence) }
    return numbers
  }
}
