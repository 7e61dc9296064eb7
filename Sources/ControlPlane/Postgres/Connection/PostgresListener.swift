// Notifications from the server, for as long as somebody listens.

import Logging

/// Listens on channels over a standing connection of its own and connects again by itself.
///
/// ```swift
/// for await event in PostgresListener(configuration, channels: ["configuration_changed"], logger: logger) { … }
/// ```
/// The sequence ends when its task is cancelled, and only then.
package struct PostgresListener: AsyncSequence, Sendable {
  package enum Event: Sendable, Equatable {
    /// Listening has begun, for the first time or again: notifications may have been missed before, so read everything.
    case resumed
    case notification(channel: String, payload: String)
  }

  package init(_ configuration: PostgresConfiguration, channels: [StaticString], logger: Logger) {}

  package func makeAsyncIterator() -> Iterator { Iterator() }

  package struct Iterator: AsyncIteratorProtocol {
    package mutating func next() async -> Event? { nil }
  }
}
