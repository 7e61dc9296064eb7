// The settings of the data path, with LIMITS' defaults.

package struct RelayLimits: Sendable {
  package var requestBodyBytes = 32 * 1024 * 1024
  package var handshakeMicroseconds: Int64 = 10_000_000
  /// Messages of TLS itself behind the handshake; clients send no others.
  package var keyUpdatesPerMinute = 10
  package var bodyGapMicroseconds: Int64 = 30_000_000
  package var firstByteMicroseconds: Int64 = 120_000_000
  package var chunkGapMicroseconds: Int64 = 300_000_000
  package var exchangeMicroseconds: Int64 = 3_600_000_000
  package var slowReaderMicroseconds: Int64 = 60_000_000
  package var idleMicroseconds: Int64 = 300_000_000
  /// Bodies up to this size are held until they are whole, so that they can be sent again.
  package var replayBodyBytes = 1024 * 1024
  /// Requests larger than 1.5 KiB that the process holds while they are not answered, all together.
  package var heldBodyBytes = 12 * 1024 * 1024
  /// What waits of one exchange, in each direction, before the side that it comes from is read no further.
  package var streamBufferBytes = 32 * 1024
  /// Answers that wait for clients, more than 4 KiB each, all together.
  package var heldAnswerBytes = 12 * 1024 * 1024

  // Clients' connections, of the whole process.
  /// nil: a little below half of the descriptors that the process may open.
  package var connections: Int?
  /// An address is an IPv4 address or an IPv6 /64.
  package var connectionsPerAddress = 128
  package var newConnectionsPerAddressPerSecond = 50
  /// Connections of an address that may be ended for an offence within `http2.floodWindowSeconds`.
  package var offencesPerAddress = 60
  /// Of `heldBodyBytes` or `heldAnswerBytes`: what an address may make the process hold before it is to blame for what
  /// is refused to its own clients.
  package var heldPercentPerAddress = 25
  /// Give or take a fifth, so that clients that came together do not leave together.
  package var connectionAgeMicroseconds: Int64 = 3_600_000_000

  // Memory, of the whole process.
  /// nil: what the control group may have, else what the machine has.
  package var memoryBytes: Int?
  package var memoryDrainPercent = 92
  package var memoryRefusePercent = 95
  package var memoryResetPercent = 98

  /// Upstreams asked for one exchange at the most.
  package var attempts: UInt8 = 3
  package var http2 = HTTP2Limits()
  package var http1 = HTTP1Limits()
  package var upstream = UpstreamLimits()

  package init() {}

  /// All that an exchange may take, one limit after the other: its whole time, its reader's, and the rest of its request.
  var drainMicroseconds: Int64 {
    exchangeMicroseconds + slowReaderMicroseconds + http1.refusedBodyMicroseconds
  }

  var heldShareOfAddress: Holding {
    Holding(
      requestBytes: heldBodyBytes / 100 * heldPercentPerAddress,
      answerBytes: heldAnswerBytes / 100 * heldPercentPerAddress)
  }

  var ofAddress: AddressLimits {
    AddressLimits(
      open: connectionsPerAddress, newPerSecond: newConnectionsPerAddressPerSecond,
      offences: offencesPerAddress,
      offenceWindowMicroseconds: Int64(http2.floodWindowSeconds) * 1_000_000)
  }
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
