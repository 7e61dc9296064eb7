// Which segments there are and how far each epoch is acknowledged. Values only: no file is touched here.

/// A place in the spool: behind the record with this number.
package struct SpoolPosition: Comparable, Sendable, Hashable {
  package var epoch: UInt64
  package var sequence: UInt64

  package init(epoch: UInt64, sequence: UInt64) {
    self.epoch = epoch
    self.sequence = sequence
  }

  static let start = SpoolPosition(epoch: 0, sequence: 0)

  package static func < (left: Self, right: Self) -> Bool {
    (left.epoch, left.sequence) < (right.epoch, right.sequence)
  }
}

/// A segment that has at least one record.
struct SegmentEntry: Sendable {
  var path: String
  var epoch: UInt64
  var ordinal: UInt32
  var first: UInt64
  var last: UInt64
  var count: Int
  /// Slots in use, the damaged ones among them included.
  var slots: Int
  /// Present until all of it has reached stable storage.
  var mapped: MappedSegment?
  /// When the last record in it was acknowledged; nil while one is not.
  var acknowledgedAt: Double?

  var end: SpoolPosition { SpoolPosition(epoch: epoch, sequence: last) }
}

/// The segments in the order of their records, and the watermarks.
struct SpoolCatalogue: Sendable {
  var segments: [SegmentEntry] = []
  private var watermarks: [UInt64: UInt64] = [:]

  func watermark(of epoch: UInt64) -> UInt64 { watermarks[epoch] ?? 0 }

  /// The oldest segment with a record behind the position.
  func segment(after position: SpoolPosition) -> SegmentEntry? {
    segments.first { $0.end > position }
  }

  /// The last number of the epoch; 0 when nothing of it is left.
  func end(of epoch: UInt64) -> UInt64 {
    segments.last { $0.epoch == epoch }?.last ?? 0
  }

  /// Notes that the epoch is committed up to and including the number. It may be lower than before: a database that
  /// failed over has lost commits.
  mutating func acknowledge(epoch: UInt64, through sequence: UInt64, now: Double) {
    watermarks[epoch] = sequence
    for index in segments.indices where segments[index].epoch == epoch {
      if segments[index].last > sequence {
        segments[index].acknowledgedAt = nil
      } else if segments[index].acknowledgedAt == nil {
        segments[index].acknowledgedAt = now
      }
    }
  }

  /// Forgets how far the epochs are committed: a database that has lost commits of one may have lost some of any. What is
  /// still kept is as good as never sent.
  mutating func forgetAcknowledgements() {
    watermarks = [:]
    for index in segments.indices { segments[index].acknowledgedAt = nil }
  }

  /// Records not acknowledged yet. Where a segment has holes this may count a few too many, never too few.
  func depth(of segment: SegmentEntry) -> Int {
    let watermark = watermark(of: segment.epoch)
    if watermark >= segment.last { return 0 }
    if watermark < segment.first { return segment.count }
    return min(segment.count, Int(clamping: segment.last - watermark))
  }

  var depth: Int { segments.reduce(0) { $0 + depth(of: $1) } }

  /// Takes out acknowledged segments that were kept for long enough, or of which there are too many.
  mutating func removeKept(now: Double, keepSeconds: Double, keepSegments: Int) -> [SegmentEntry] {
    var surplus = segments.count { $0.acknowledgedAt != nil } - keepSegments
    var removed: [SegmentEntry] = []
    segments.removeAll { segment in
      guard let since = segment.acknowledgedAt else { return false }
      guard surplus > 0 || now - since >= keepSeconds else { return false }
      surplus -= 1
      removed.append(segment)
      return true
    }
    return removed
  }

  /// Takes out the oldest acknowledged segment, to make room on a full disk.
  mutating func removeOldestAcknowledged() -> SegmentEntry? {
    guard let index = segments.firstIndex(where: { $0.acknowledgedAt != nil }) else { return nil }
    return segments.remove(at: index)
  }
}
