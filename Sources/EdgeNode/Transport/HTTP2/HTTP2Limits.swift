// The part of LIMITS that HTTP/2 sessions keep, for one connection each.

package struct HTTP2Limits: Sendable {
  /// A window and a header table as the protocol has them where nobody says otherwise.
  static let usualWindowBytes = 65_535
  static let usualTableBytes = 4096

  package var concurrentStreams = 100
  package var streamWindowBytes = 64 * 1024
  package var connectionWindowBytes = 1024 * 1024

  // Header blocks.
  /// Name + value + 32 for each field, decoded.
  package var headerListBytes = 32 * 1024
  /// Cookie crumbs count one each.
  package var headerFields = 100
  package var headerBlockMicroseconds: Int64 = 10_000_000
  package var continuationFrames = 8
  /// Of fields that are remembered for later blocks, in both directions.
  package var tableBytes = 4096
  /// Name + value + 32 for each field of a request's trailers; those beyond are left out.
  package var trailerBytes = 8 * 1024

  // Floods. Counted within `floodWindowSeconds` unless the name says otherwise.
  package var floodWindowSeconds = 30
  /// Streams that the client resets before the first DATA frame we sent on them.
  package var resetsBeforeData = 200
  /// Slips of the protocol and resets that we had to answer with.
  package var glitches = 200
  package var queuedControlFrames = 1000
  package var queuedFrames = 5000
  package var settingsEntries = 32
  package var settingsPerMinute = 10
  package var pingsPerMinute = 60
  /// For each DATA frame that we sent; see LIMITS for the sum.
  package var windowUpdatesPerDataFrame = 10
  package var priorityFramesPerStream = 100
  /// In a row.
  package var emptyDataFrames = 1
  /// What is neither a head nor a body may be `overheadFactor` × those, and `overheadBytes` more.
  package var overheadFactor = 8
  package var overheadBytes = 1024 * 1024

  // Slow readers.
  /// Taken within `slowReaderFloorMicroseconds` at the least while bytes wait.
  package var slowReaderFloorBytes = 1024
  package var slowReaderFloorMicroseconds: Int64 = 10_000_000

  package init() {}
}
