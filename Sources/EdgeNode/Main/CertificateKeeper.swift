// Keeps the edge's certificates up to date: reads them again on a signal and when their files change. What cannot be
// used is reported once, and the edge goes on with what it has.

import EdgeDataPath
import EdgeUplink
import Logging
import Synchronization

final class CertificateKeeper: Sendable {
  private struct State {
    var secret: [UInt8]?
    var tickets: TicketKeys?
    var seen: FileStates
  }

  private static let lookEverySeconds = 2

  private let files: TLSFiles
  private let state: Mutex<State>

  init(files: TLSFiles) {
    self.files = files
    state = Mutex(State(seen: FileStates(files.paths)))
  }

  /// Reads all files.
  /// - Throws: `TLSError`, `SettingsFault`
  func load() throws -> TLSContext {
    // Taken first: a change while they are read is found by the next look.
    let seen = FileStates(files.paths)
    state.withLock { $0.seen = seen }
    return try TLSContext.server(certificates: files.certificates, tickets: try ticketKeys())
  }

  /// Keys change only with their secret: standing tickets stay good over a new certificate.
  private func ticketKeys() throws -> TicketKeys {
    let secret = try files.ticketSecret()
    return state.withLock { state in
      if let tickets = state.tickets, state.secret == secret { return tickets }
      let tickets = secret.map(TicketKeys.init(secret:)) ?? TicketKeys()
      state.secret = secret
      state.tickets = tickets
      return tickets
    }
  }

  /// Serves new connections with what the files hold now, if it can be used.
  func reload(_ edge: Edge, _ logger: Logger) {
    do {
      edge.use(try load())
      logger.info("certificates read again")
    } catch {
      logger.error("the new certificates are not used, the old ones stay", metadata: ["reason": "\(error)"])
    }
  }

  /// Watches the files until the task is cancelled.
  func follow(_ edge: Edge, _ logger: Logger) async {
    while !Task.isCancelled {
      try? await Task.sleep(for: .seconds(Self.lookEverySeconds))
      let now = FileStates(files.paths)
      if state.withLock({ $0.seen != now }) { reload(edge, logger) }
    }
  }
}
