// Notifications from the server, for as long as somebody listens.

import Logging

/// Listens on channels over a standing connection of its own and connects again by itself.
///
/// ```swift
/// for await event in PostgresListener(configuration, channels: ["configuration_changed"], logger: logger) { … }
/// ```
/// Each iteration has a connection of its own. The sequence ends when its task is cancelled, and only then. While the
/// consumer is busy, nothing is read: notifications wait at the server.
package struct PostgresListener: AsyncSequence, Sendable {
  package enum Event: Sendable, Equatable {
    /// Listening has begun, for the first time or again: notifications may have been missed before, so read
    /// everything.
    case resumed
    case notification(channel: String, payload: String)
  }

  /// Waits between attempts to connect: doubled from the first to the last.
  static let firstBackoffMilliseconds = 50
  static let lastBackoffMilliseconds = 5_000

  private let configuration: PostgresConfiguration
  private let channels: [StaticString]
  private let logger: Logger

  package init(_ configuration: PostgresConfiguration, channels: [StaticString], logger: Logger) {
    self.configuration = configuration
    self.channels = channels
    self.logger = logger
  }

  package func makeAsyncIterator() -> Iterator { Iterator(listener: self) }

  package struct Iterator: AsyncIteratorProtocol {
    fileprivate let listener: PostgresListener
    private var connection: PostgresConnection?
    private var failuresInARow = 0

    fileprivate init(listener: PostgresListener) { self.listener = listener }

    package mutating func next() async -> Event? {
      while !Task.isCancelled {
        do {
          if let connection {
            let (channel, payload) = try await connection.nextNotification()
            return .notification(channel: channel, payload: payload)
          }
          connection = try await listener.listen()
          failuresInARow = 0
          return .resumed
        } catch {
          connection = nil
          if Task.isCancelled { break }
          guard await listener.backOff(&failuresInARow, error) else { break }
        }
      }
      return nil
    }
  }

  private func listen() async throws -> PostgresConnection {
    let connection = try await PostgresConnection.connect(configuration, logger: logger)
    for channel in channels {
      let name = Statement.quoted(identifier: channel.description)
      try await connection.query(Statement(generatedFromTrustedPartsOnly: "LISTEN \(name)"))
    }
    return connection
  }

  /// False when the task was cancelled meanwhile.
  private func backOff(_ failures: inout Int, _ error: any Error) async -> Bool {
    let bound = Swift.min(
      Self.lastBackoffMilliseconds, Self.firstBackoffMilliseconds << Swift.min(failures, 10))
    let delay = Int.random(in: bound / 2...bound)
    failures += 1
    logger.warning(
      "not listening to the database", metadata: ["error": "\(error)", "retry_in_ms": "\(delay)"])
    do {
      try await Task.sleep(for: .milliseconds(delay))
      return true
    } catch {
      return false
    }
  }
}

extension PostgresConnection {
  fileprivate func nextNotification() async throws -> (channel: String, payload: String) {
    try await withOperation(cancellation: .stopsWaiting) {
      operation?.deadline = .distantFuture
      while true {
        if let notification = try live().nextNotification() { return notification }
        try await pause(reading: true, writing: false)
        guard try live().consumeInput() else { throw lost() }
      }
    }
  }
}
