// Why a client's connection was refused, was ended by the edge and not by either side's wish, or counts against its
// address.

package enum ConnectionCut: UInt8, CaseIterable, Sendable {
  // Refused at the door.
  case tooManyConnections, addressConnections, addressRate, addressOffences
  // Before the first request.
  case handshakeTimeout, handshakeFailed
  // For what the client did, or did not do.
  case headTimeout, headerBomb, rapidReset, glitches, pingFlood, settingsFlood, windowUpdateFlood,
    priorityFlood
  case emptyDataFlood, keyUpdateFlood, overhead, queuedFrames, slowReader, refusedBody, protocolError
  /// Its connection goes on: who wanted more than there was beside what the address holds has been refused that.
  case hoarding
  // For no fault of its own.
  case connectionAge, idle, memory

  /// Whether it counts against the client's address: nothing that a slow network, a full machine or a stranger to the
  /// protocol could be to blame for.
  package var isOffence: Bool {
    switch self {
    case .headerBomb, .rapidReset, .glitches, .pingFlood, .settingsFlood, .windowUpdateFlood, .priorityFlood,
      .emptyDataFlood, .keyUpdateFlood,
      .overhead, .queuedFrames, .protocolError, .hoarding:
      true
    default: false
    }
  }

  /// Whether a connection to an upstream can end for it too.
  package var isOfUpstreams: Bool {
    switch self {
    case .headTimeout, .headerBomb, .rapidReset, .glitches, .pingFlood, .settingsFlood, .windowUpdateFlood,
      .priorityFlood, .emptyDataFlood, .overhead, .queuedFrames, .slowReader, .protocolError:
      true
    default: false
    }
  }

  /// The label in `/metrics`.
  package var word: String {
    switch self {
    case .tooManyConnections: "too_many_connections"
    case .addressConnections: "address_connections"
    case .addressRate: "address_rate"
    case .addressOffences: "address_offences"
    case .handshakeTimeout: "handshake_timeout"
    case .handshakeFailed: "handshake_failed"
    case .headTimeout: "head_timeout"
    case .headerBomb: "header_bomb"
    case .rapidReset: "rapid_reset"
    case .glitches: "glitches"
    case .pingFlood: "ping_flood"
    case .settingsFlood: "settings_flood"
    case .windowUpdateFlood: "window_update_flood"
    case .priorityFlood: "priority_flood"
    case .emptyDataFlood: "empty_data_flood"
    case .keyUpdateFlood: "key_update_flood"
    case .overhead: "overhead"
    case .queuedFrames: "queued_frames"
    case .slowReader: "slow_reader"
    case .refusedBody: "refused_body"
    case .protocolError: "protocol_error"
    case .hoarding: "hoarding"
    case .connectionAge: "connection_age"
    case .idle: "idle"
    case .memory: "memory"
    }
  }
}
