// The limits that a file can set, by LIMITS' names, with their units.

package struct LimitKey {
  package let name: String
  package let range: ClosedRange<Int>
  /// Puts a value of the file, which is in `range`, into the limits.
  package let set: (Int, inout RelayLimits) -> Void

  private static let anyCount = 1...1_000_000
  private static let anyBytes = 1024...1_099_511_627_776
  private static let anySeconds = 1...86_400
  /// RFC 9113, section 6.9.1.
  private static let windowBytes = 65_535...2_147_483_647

  package static var all: [LimitKey] {
    exchanges + connections + memory + headers + floods + slowReaders + upstreams
  }

  private static var exchanges: [LimitKey] {
    [
      number("request_body_bytes", 1024...1_073_741_824, \.requestBodyBytes),
      number("held_body_bytes", anyBytes, \.heldBodyBytes),
      number("held_answer_bytes", anyBytes, \.heldAnswerBytes),
      number("stream_buffer_bytes", 4096...16_777_216, \.streamBufferBytes),
      number("replay_body_bytes", 1024...1_073_741_824, \.replayBodyBytes),
      seconds("gap_inside_body_seconds", \.bodyGapMicroseconds),
      number("refused_body_bytes", anyBytes, \.http1.refusedBodyBytes),
      seconds("refused_body_seconds", \.http1.refusedBodyMicroseconds),
      seconds("time_to_first_byte_seconds", \.firstByteMicroseconds),
      seconds("gap_between_chunks_seconds", \.chunkGapMicroseconds),
      seconds("whole_stream_seconds", \.exchangeMicroseconds),
    ]
  }

  private static var connections: [LimitKey] {
    [
      LimitKey("connections", anyCount) { $1.connections = $0 },
      number("connections_per_address", anyCount, \.connectionsPerAddress),
      number("new_connections_per_address_per_second", anyCount, \.newConnectionsPerAddressPerSecond),
      number("offences_per_address", anyCount, \.offencesPerAddress),
      number("held_percent_per_address", 1...100, \.heldPercentPerAddress),
      seconds("connection_age_seconds", \.connectionAgeMicroseconds),
      seconds("idle_connection_seconds", \.idleMicroseconds),
      seconds("handshake_seconds", \.handshakeMicroseconds),
      number("concurrent_streams", 1...10_000, \.http2.concurrentStreams),
      number("stream_window_bytes", windowBytes, \.http2.streamWindowBytes),
      number("connection_window_bytes", windowBytes, \.http2.connectionWindowBytes),
    ]
  }

  private static var memory: [LimitKey] {
    [
      LimitKey("memory_bytes", 16_777_216...1_125_899_906_842_624) { $1.memoryBytes = $0 },
      number("memory_drain_percent", 1...100, \.memoryDrainPercent),
      number("memory_refuse_percent", 1...100, \.memoryRefusePercent),
      number("memory_reset_percent", 1...100, \.memoryResetPercent),
    ]
  }

  /// Of clients' connections and of those to upstreams alike.
  private static var headers: [LimitKey] {
    [
      LimitKey("header_fields", 1...10_000) { value, limits in
        limits.http2.headerFields = value
        limits.http1.headerFields = value
        limits.upstream.http2.headerFields = value
        limits.upstream.http1.headerFields = value
      },
      LimitKey("header_list_bytes", 1024...1_048_576) { value, limits in
        limits.http2.headerListBytes = value
        limits.upstream.http2.headerListBytes = value
        limits.http1.headBytes = min(value, HTTP1Head.mostBytes)
        limits.upstream.http1.headBytes = min(value, HTTP1Head.mostBytes)
      },
      LimitKey("header_block_seconds", anySeconds) { value, limits in
        limits.http2.headerBlockMicroseconds = Int64(value) * 1_000_000
        limits.upstream.http2.headerBlockMicroseconds = Int64(value) * 1_000_000
        limits.http1.headTimeoutMicroseconds = Int64(value) * 1_000_000
      },
      both("continuation_frames", 1...1000, \.continuationFrames),
      both("hpack_table_bytes", 0...65_536, \.tableBytes),
      LimitKey("trailer_bytes", 256...1_048_576) { value, limits in
        limits.http2.trailerBytes = value
        limits.http1.trailerBytes = value
        limits.upstream.http1.trailerBytes = value
      },
      LimitKey("chunk_extension_bytes", 1...1_048_576) { value, limits in
        limits.http1.chunkExtensionBytes = value
        limits.upstream.http1.chunkExtensionBytes = value
      },
    ]
  }

  /// The same.
  private static var floods: [LimitKey] {
    [
      both("flood_window_seconds", anySeconds, \.floodWindowSeconds),
      both("resets_before_data", anyCount, \.resetsBeforeData),
      both("glitches", anyCount, \.glitches),
      both("queued_control_frames", anyCount, \.queuedControlFrames),
      both("queued_frames", anyCount, \.queuedFrames),
      both("settings_entries", anyCount, \.settingsEntries),
      both("settings_per_minute", anyCount, \.settingsPerMinute),
      both("pings_per_minute", anyCount, \.pingsPerMinute),
      number("key_updates_per_minute", anyCount, \.keyUpdatesPerMinute),
      both("window_updates_per_data_frame", anyCount, \.windowUpdatesPerDataFrame),
      both("priority_frames_per_stream", anyCount, \.priorityFramesPerStream),
      both("empty_data_frames", anyCount, \.emptyDataFrames),
      both("overhead_factor", anyCount, \.overheadFactor),
      both("overhead_bytes", anyBytes, \.overheadBytes),
    ]
  }

  private static var slowReaders: [LimitKey] {
    [
      seconds("slow_reader_seconds", \.slowReaderMicroseconds),
      number("slow_reader_floor_bytes", 1...1_073_741_824, \.http2.slowReaderFloorBytes),
      seconds("slow_reader_floor_seconds", \.http2.slowReaderFloorMicroseconds),
    ]
  }

  private static var upstreams: [LimitKey] {
    [
      seconds("upstream_connect_seconds", \.upstream.connectTimeoutMicroseconds),
      number("upstream_connections", anyCount, \.upstream.connections),
      number("upstream_concurrent_streams", 1...10_000, \.upstream.http2.concurrentStreams),
      number("upstream_stream_window_bytes", windowBytes, \.upstream.http2.streamWindowBytes),
      number("upstream_connection_window_bytes", windowBytes, \.upstream.http2.connectionWindowBytes),
      seconds("upstream_address_seconds", \.upstream.addressLifetimeMicroseconds),
    ]
  }

  private init(_ name: String, _ range: ClosedRange<Int>, set: @escaping (Int, inout RelayLimits) -> Void) {
    self.name = name
    self.range = range
    self.set = set
  }

  private static func number(
    _ name: String, _ range: ClosedRange<Int>, _ limit: WritableKeyPath<RelayLimits, Int>
  ) -> LimitKey {
    LimitKey(name, range) { $1[keyPath: limit] = $0 }
  }

  /// A limit of clients' HTTP/2 connections and of those to upstreams.
  private static func both(
    _ name: String, _ range: ClosedRange<Int>, _ limit: WritableKeyPath<HTTP2Limits, Int>
  ) -> LimitKey {
    LimitKey(name, range) { value, limits in
      limits.http2[keyPath: limit] = value
      limits.upstream.http2[keyPath: limit] = value
    }
  }

  private static func seconds(_ name: String, _ limit: WritableKeyPath<RelayLimits, Int64>) -> LimitKey {
    LimitKey(name, anySeconds) { $1[keyPath: limit] = Int64($0) * 1_000_000 }
  }
}
