import ControlPlaneCore
import Logging
import Postgres
import StraitProtocol
import Testing

@Suite("Edges that leave")
struct LeavingTests {
  @Test("all at one moment are all written down, however few may wait for the database")
  func together() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edges = (0..<600).map { _ in
        (edge: newIdentifier() as EdgeID, stream: newUUID())
      }
      try await running.pool.query(
        """
        INSERT INTO edges (id, region, base_url, software_version, certificate_expires_at, stream_id, last_seen_at)
        SELECT id, 'eu-west', 'https://edge.test', '1.2.3', now() + interval '1 day', stream, now()
        FROM unnest($1::uuid[], $2::uuid[]) AS made (id, stream)
        """, edges.map(\.edge), edges.map(\.stream))
      // One took the edge over by another stream meanwhile.
      try await running.pool.query("UPDATE edges SET stream_id = id WHERE id = $1", edges[7].edge)
      let leaves = EdgeLeaves(pool: running.pool)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for edge in edges { group.addTask { try await leaves.leave(edge.edge, stream: edge.stream) } }
        try await group.waitForAll()
      }
      let left = try await running.pool.query("SELECT id FROM edges WHERE stream_id IS NOT NULL")
      #expect(try left.map { try $0.get("id", as: EdgeID.self) } == [edges[7].edge])
      // The control: one by one, some find no place.
      await #expect(throws: PostgresError.self) {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for edge in edges {
            group.addTask { try await EdgeStore.endStreams([(edge.stream, edge.edge)], on: running.pool) }
          }
          try await group.waitForAll()
        }
      }
    }
  }
}
