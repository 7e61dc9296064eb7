// The counts of the status document.

import AdminAPI
import Postgres
import StraitProtocol

package enum StatusStore {
  package static func read(on session: some PostgresSession) async throws -> ControlPlaneStatus {
    let row = try await session.query(
      """
      SELECT (SELECT version FROM configuration_state) AS version,
        current_setting('server_version') AS server_version,
        (SELECT count(*) FROM regions) AS regions,
        (SELECT count(*) FROM edges WHERE evicted_at IS NULL) AS edges_enrolled,
        (SELECT count(*) FROM edges WHERE evicted_at IS NULL AND stream_id IS NOT NULL
          AND last_seen_at > now() - interval '20 seconds') AS edges_connected,
        (SELECT count(*) FROM offers) AS offers,
        (SELECT count(*) FROM keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) AS keys
      """
    ).single()
    return ControlPlaneStatus(
      softwareVersion: SoftwareVersion.current, configurationVersion: try row.unsigned("version"),
      databaseVersion: try row.get("server_version"), regions: try row.get("regions"),
      edgesEnrolled: try row.get("edges_enrolled"), edgesConnected: try row.get("edges_connected"),
      offers: try row.get("offers"), keys: try row.get("keys"))
  }
}
