// What the spool's lock guards: where the next record goes. Nothing in here waits for the disk.

import StraitProtocol

struct SpoolState: ~Copyable {
  let epoch: UInt64
  private let checksumSeed: UInt32
  /// The number of the last record, whether it was kept or lost. Numbers start at 1.
  private(set) var sequence: UInt64 = 0
  /// Records that neither the disk nor memory could take, or that could not be read again.
  var lost: UInt64 = 0

  private(set) var active: MappedSegment?
  private var activeFirst: UInt64 = 0
  private var activeLast: UInt64 = 0
  private var slotsLeft = 0
  /// Records of the active segment that are on stable storage.
  var activeSynchronised = 0

  var spares: [MappedSegment] = []
  var catalogue: SpoolCatalogue
  var memory: MemoryQueue

  init(epoch: UInt64, catalogue: SpoolCatalogue, memoryRecords: Int) {
    self.epoch = epoch
    self.catalogue = catalogue
    checksumSeed = SpoolFormat.checksumSeed(epoch: epoch)
    memory = MemoryQueue(capacity: memoryRecords)
  }

  // MARK: Taking records

  /// Numbers the record and puts it where it outlives the process; in memory while the disk takes none.
  /// - Returns: true when a segment was filled, so that upkeep should make another
  mutating func append(_ record: UsageRecord) -> Bool {
    sequence &+= 1
    // What waits in memory goes to disk first, or records would stand out of order.
    if memory.count == 0 {
      if slotsLeft > 0 {
        store(record, sequence: sequence)
        return false
      }
      if advance(firstSequence: sequence) {
        store(record, sequence: sequence)
        return true
      }
    }
    if !memory.push(SpoolEntry(sequence: sequence, record: record)) { lost &+= 1 }
    return false
  }

  /// Moves up to `limit` records from memory to disk.
  /// - Returns: whether there is more to move and room for it
  mutating func drainMemory(limit: Int) -> Bool {
    for _ in 0..<limit {
      guard let entry = memory.first else { return false }
      guard slotsLeft > 0 || advance(firstSequence: entry.sequence) else { return false }
      store(entry.record, sequence: entry.sequence)
      memory.removeFirst()
    }
    return memory.count > 0
  }

  /// Puts the active segment aside before it is full.
  mutating func seal() {
    guard let active else { return }
    if let entry = activeEntry {
      var sealed = entry
      sealed.mapped = active
      sealed.acknowledgedAt = nil
      catalogue.segments.append(sealed)
    }
    self.active = nil
    slotsLeft = 0
    activeSynchronised = 0
  }

  @inline(__always)
  private mutating func store(_ record: UsageRecord, sequence: UInt64) {
    guard let active else { return }
    let slot = active.slot(active.slots - slotsLeft)
    SpoolFormat.writeSlot(record, sequence: sequence, checksumSeed: checksumSeed, to: slot)
    slotsLeft -= 1
    activeLast = sequence
  }

  private mutating func advance(firstSequence: UInt64) -> Bool {
    guard !spares.isEmpty else { return false }
    seal()
    let next = spares.removeFirst()
    SpoolFormat.writeHeader(SegmentHeader(epoch: epoch, firstSequence: firstSequence), to: next.base)
    active = next
    slotsLeft = next.slots
    activeFirst = firstSequence
    activeLast = firstSequence
    return true
  }

  // MARK: Looking

  /// The active segment as it stands; nil while it is empty.
  var activeEntry: SegmentEntry? {
    guard let active, slotsLeft < active.slots else { return nil }
    let used = active.slots - slotsLeft
    return SegmentEntry(
      path: active.path, epoch: epoch, ordinal: active.ordinal, first: activeFirst, last: activeLast,
      count: used, slots: used)
  }

  var depth: Int {
    var depth = catalogue.depth + memory.count
    if let activeEntry { depth += catalogue.depth(of: activeEntry) }
    return depth
  }

  /// The oldest segment with a record behind the position, the active one last.
  func segment(after position: SpoolPosition) -> SegmentEntry? {
    if let segment = catalogue.segment(after: position) { return segment }
    guard let activeEntry, activeEntry.end > position else { return nil }
    return activeEntry
  }

  /// Whether the segment with this path has not been taken out for removal.
  func holds(_ path: String) -> Bool {
    if active?.path == path { return true }
    return catalogue.segments.contains { $0.path == path }
  }

  mutating func acknowledge(epoch: UInt64, through sequence: UInt64, now: Double) {
    catalogue.acknowledge(epoch: epoch, through: sequence, now: now)
    if epoch == self.epoch { memory.removeAll(through: sequence) }
  }
}

// MARK: Stable storage

/// A segment with records that are not on stable storage yet, and how many it held when this was asked.
struct SynchronisationTarget: Sendable {
  var segment: MappedSegment
  var count: Int
}

extension SpoolState {
  func unsynchronised() -> [SynchronisationTarget] {
    var targets = catalogue.segments.compactMap { entry in
      entry.mapped.map { SynchronisationTarget(segment: $0, count: entry.count) }
    }
    if let active, let activeEntry, activeEntry.count > activeSynchronised {
      targets.append(SynchronisationTarget(segment: active, count: activeEntry.count))
    }
    return targets
  }

  /// Notes that the first `count` records of the segment are on stable storage.
  mutating func synchronised(_ target: SynchronisationTarget) {
    if active === target.segment {
      activeSynchronised = target.count
    } else if let index = sealedIndex(of: target.segment), catalogue.segments[index].count == target.count {
      catalogue.segments[index].mapped = nil
    }
  }

  mutating func sealIfActive(_ segment: MappedSegment) {
    if active === segment { seal() }
  }

  func sealedCount(_ segment: MappedSegment) -> Int? {
    sealedIndex(of: segment).map { catalogue.segments[$0].count }
  }

  private func sealedIndex(of segment: MappedSegment) -> Int? {
    catalogue.segments.lastIndex { $0.mapped === segment }
  }
}
