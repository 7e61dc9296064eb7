// The settings of the data path, with LIMITS' defaults.

package struct RelayLimits: Sendable {
  package var requestBodyBytes = 32 * 1024 * 1024
  package var handshakeMicroseconds: Int64 = 10_000_000
  package var headMicroseconds: Int64 = 10_000_000
  package var bodyGapMicroseconds: Int64 = 30_000_000
  package var firstByteMicroseconds: Int64 = 120_000_000
  package var chunkGapMicroseconds: Int64 = 300_000_000
  package var exchangeMicroseconds: Int64 = 3_600_000_000
  package var slowReaderMicroseconds: Int64 = 60_000_000
  package var idleMicroseconds: Int64 = 300_000_000
  package var connections = 16_384
  /// Upstreams asked for one exchange at the most.
  package var attempts: UInt8 = 3
  package var http2 = HTTP2Limits()
  package var http1 = HTTP1Limits()
  package var upstream = UpstreamLimits()

  package init() {}
}

package struct EdgeSettings: Sendable {
  package var listen: SocketAddress
  package var adminListen: SocketAddress
  package var workers: Int
  package var limits = RelayLimits()
  /// The edge's own id and region, as clients and records see them.
  package var edgeName: String
  package var region: String

  package init(
    listen: SocketAddress, adminListen: SocketAddress, workers: Int, edgeName: String, region: String
  ) {
    self.listen = listen
    self.adminListen = adminListen
    self.workers = workers
    self.edgeName = edgeName
    self.region = region
  }
}
