// Writes down which edges left. A network that breaks ends many streams at one moment: one by one they would be more than may
// wait for the database, and those that find no place would count as connected for longer than they were.

import Postgres
import StraitProtocol

package struct EdgeLeaves: Sendable {
  private let gathered: Gathering<(stream: PostgresUUID, edge: EdgeID), Void>

  package init(pool: PostgresPool) {
    gathered = Gathering { ended in
      try await EdgeStore.endStreams(ended, on: pool)
      return ended.map { _ in }
    }
  }

  /// Returns when it is written down, even in a task that was cancelled.
  package func leave(_ edge: EdgeID, stream: PostgresUUID) async throws {
    try await gathered.ask((stream, edge))
  }
}
