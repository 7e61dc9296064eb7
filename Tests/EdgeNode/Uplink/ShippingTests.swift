import EdgeUplink
import Glibc
import StraitProtocol
import Testing

@Suite("Shipping usage", .timeLimit(.minutes(5)))
struct ShippingTests {
  @Test("takes every field to the control plane, in batches of limited size")
  func fields() async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let records = (0..<1_200).map { _ in UsageRecord.random(&generator) }
    let plane = try FakeControlPlane()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      for record in records { edge.spool.append(record) }
      try await edge.run {
        try await plane.waitForRecords(1_200, epoch: edge.spool.epoch) { #expect($0.records.count <= 500) }
        let stored = plane.records(edge.spool.epoch)
        #expect(stored == records.map(WireUsageRecord.init), "seed \(seed)")
        try await waitUntilShipped(edge, plane)
      }
    }
  }

  @Test("stores each record once though an answer is lost and the edge restarts")
  func exactlyOnce() async throws {
    let plane = try FakeControlPlane()
    let folder = try ScratchFolder()
    plane.set { $0.answersToLose = 2 }
    let epoch = try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      return try await edge.run {
        for number in 1...700 as ClosedRange<UInt64> { edge.spool.append(.numbered(number)) }
        try await plane.waitForRecords(700, epoch: edge.spool.epoch)
        return edge.spool.epoch
      }
    }
    // The restarted edge sends again what is on its disk, and goes on with an epoch of its own.
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      #expect(edge.spool.depth == 700)
      edge.spool.append(.numbered(701))
      try await edge.run {
        try await plane.waitForRecords(1, epoch: edge.spool.epoch)
        try await waitUntilShipped(edge, plane)
      }
      #expect(plane.records(edge.spool.epoch).map(\.durationMicroseconds) == [701])
    }
    #expect(plane.records(epoch).map(\.durationMicroseconds) == Array(1...700))
  }

  @Test("sends again what a failover of the database has lost")
  func watermarkGoesBack() async throws {
    let plane = try FakeControlPlane()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        let epoch = edge.spool.epoch
        for number in 1...100 as ClosedRange<UInt64> { edge.spool.append(.numbered(number)) }
        try await plane.waitForRecords(100, epoch: epoch)
        try await waitUntilShipped(edge, plane)
        // The database comes back as it was at 40, and says so at the next batch.
        plane.set {
          $0.stored[epoch] = $0.stored[epoch]?.filter { $0.key <= 40 }
          $0.falseWatermarks = [40]
        }
        edge.spool.append(.numbered(101))
        try await plane.waitForRecords(101, epoch: epoch)
        #expect(plane.records(epoch).map(\.durationMicroseconds) == Array(1...101))
        try await waitUntilShipped(edge, plane)
      }
    }
  }

  @Test("sends again what a failover of the database has lost of the epoch before a restart, too")
  func formerEpochGoesBack() async throws {
    let plane = try FakeControlPlane()
    let folder = try ScratchFolder()
    let former = try await shipHundred(plane, folder)
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        let epoch = edge.spool.epoch
        edge.spool.append(.numbered(1))
        // It comes twice: after its commit the former epoch is asked about, and then it is this one's turn again.
        try await plane.next { event in
          if case .batch(let batch) = event, batch.epoch == epoch, batch.acknowledgedSequence == 1 {
            ()
          } else {
            nil
          }
        }
        plane.set {
          $0.loseCommits(of: former, beyond: 40)
          $0.loseCommits(of: epoch, beyond: 0)
        }
        edge.spool.append(.numbered(2))
        try await plane.waitForRecords(2, epoch: epoch)
        #expect(plane.records(epoch).map(\.durationMicroseconds) == [1, 2])
        #expect(plane.records(former).map(\.durationMicroseconds) == Array(1...100))
        try await waitUntilShipped(edge, plane)
      }
    }
  }

  @Test("sends it again though nothing of the present epoch had been committed when it was lost")
  func formerEpochLostUnseen() async throws {
    let plane = try FakeControlPlane()
    let folder = try ScratchFolder()
    let former = try await shipHundred(plane, folder)
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        try await waitUntilShipped(edge, plane)
        plane.set { $0.loseCommits(of: former, beyond: 40) }
        edge.spool.append(.numbered(1))
        try await plane.waitForRecords(100, epoch: former)
        #expect(plane.records(former).map(\.durationMicroseconds) == Array(1...100))
        #expect(plane.records(edge.spool.epoch).map(\.durationMicroseconds) == [1])
        try await waitUntilShipped(edge, plane)
      }
    }
  }

  @Test("waits while the spool's files cannot be opened, and skips nothing")
  func unreadableForAWhile() async throws {
    let plane = try FakeControlPlane()
    let disk = UnreadableDisk()
    disk.refuse(EMFILE)
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(
        plane, link: link, enrolment: enrolment, folder: try ScratchFolder(), spoolLimits: .small(slots: 4),
        spoolDisk: disk.calls)
      for number in 1...10 as ClosedRange<UInt64> { edge.spool.append(.numbered(number)) }
      try await edge.run {
        // Damage would have been given up by then.
        try await plane.next { event in
          if case .report = event, disk.refusals > SpoolLimits().readAttempts { () } else { nil }
        }
        disk.refuse(0)
        #expect(try await plane.nextBatch().firstSequence == 1)
        try await plane.waitForRecords(10, epoch: edge.spool.epoch)
        try await waitUntilShipped(edge, plane)
      }
      #expect(edge.spool.lost == 0)
      #expect(plane.records(edge.spool.epoch).map(\.durationMicroseconds) == Array(1...10))
    }
  }

  @Test("believes no watermark beyond what was sent, and keeps everything")
  func watermarkTooHigh() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.falseWatermarks = [1_000_000, 1_000_000] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      for number in 1...10 as ClosedRange<UInt64> { edge.spool.append(.numbered(number)) }
      try await edge.run {
        for _ in 1...3 { #expect(try await plane.nextBatch().firstSequence == 1) }
        try await waitUntilShipped(edge, plane)
      }
    }
  }

  @Test("declares lost records by a gap between two batches")
  func gap() async throws {
    let plane = try FakeControlPlane()
    var limits = SpoolLimits.small(slots: 4, spares: 1)
    limits.diskBytes = 0
    limits.memoryRecords = 3
    try await plane.serve { [limits] link, enrolment in
      let edge = try EdgeUnderTest(
        plane, link: link, enrolment: enrolment, folder: try ScratchFolder(), spoolLimits: limits)
      for number in 1...5 as ClosedRange<UInt64> { edge.spool.append(.numbered(number)) }
      #expect(edge.spool.lost == 2)
      try await edge.run {
        #expect(try await plane.nextBatch().records.count == 3)
        try await waitUntilShipped(edge, plane)
        edge.spool.append(.numbered(6))
        #expect(try await plane.nextBatch().firstSequence == 6)
      }
      #expect(plane.records(edge.spool.epoch).map(\.durationMicroseconds) == [1, 2, 3, 6])
    }
  }
}

/// - Returns: the epoch of an edge that shipped records 1 to 100 and ended
private func shipHundred(_ plane: FakeControlPlane, _ folder: ScratchFolder) async throws -> UInt64 {
  try await plane.serve { link, enrolment in
    let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
    return try await edge.run {
      for number in 1...100 as ClosedRange<UInt64> { edge.spool.append(.numbered(number)) }
      try await plane.waitForRecords(100, epoch: edge.spool.epoch)
      return edge.spool.epoch
    }
  }
}

/// Waits until the edge reports that nothing is left to ship.
private func waitUntilShipped(_ edge: EdgeUnderTest, _ plane: FakeControlPlane) async throws {
  try await plane.next { event in
    if case .report(let report) = event, report.spooledRecords == 0, edge.spool.depth == 0 { () } else { nil }
  }
}

extension FakeControlPlane {
  func records(_ epoch: UInt64) -> [WireUsageRecord] {
    get { ($0.stored[epoch] ?? [:]).sorted { $0.key < $1.key }.map(\.value) }
  }

  func waitForRecords(_ count: Int, epoch: UInt64, each: (WireUsageBatch) -> Void = { _ in }) async throws {
    while records(epoch).count < count { each(try await nextBatch()) }
  }
}
