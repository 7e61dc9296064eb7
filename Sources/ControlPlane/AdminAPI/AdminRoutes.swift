// The admin API's paths, shared by the server and by the `strait` command. All are below HTTPS, take and give JSON in
// snake case, and want `authorization: Bearer <operator token>`, but for the two health checks.

package enum AdminRoute {
  /// GET, no token: 200 while the process lives.
  package static let health = "/healthz"
  /// GET, no token: 200 when PostgreSQL answers, else 503.
  package static let readiness = "/readyz"
  /// GET → `ControlPlaneStatus`
  package static let status = "/admin/v1/status"
  /// GET → `[RegionDocument]`, PUT `[RegionDocument]` → `RegionApplyResult`
  package static let regions = "/admin/v1/regions"
  /// GET → `[EdgeSummary]`; DELETE `/{id}` → `EdgeSummary`, evicted
  package static let edges = "/admin/v1/edges"
  /// POST `JoinTokenRequest` → `JoinToken`
  package static let joinTokens = "/admin/v1/join-tokens"
  /// GET → `[UpstreamSummary]`, POST `UpstreamRequest` → `UpstreamSummary`; PUT `/{name or id}`
  /// `UpstreamChangeRequest` → `UpstreamSummary`
  package static let upstreams = "/admin/v1/upstreams"
  /// GET → `[OfferSummary]`, POST `OfferRequest` → `OfferSummary`; PUT `/{id or model}` `OfferChangeRequest` →
  /// `OfferSummary`; DELETE `/{id or model}` → `OfferSummary`, removed. A model names an offer where there is one of it.
  package static let offers = "/admin/v1/offers"
  /// GET → `[TeamSummary]`, POST `TeamRequest` → `TeamSummary`; PUT `/{name or id}` `TeamChangeRequest` → `TeamSummary`
  package static let teams = "/admin/v1/teams"
  /// GET `?team=` → `[KeySummary]`, POST `KeyRequest` → `NewKey`; DELETE `/{id or public id}` → `KeySummary`
  package static let keys = "/admin/v1/keys"
  /// GET `?before=&limit=` → `[VersionSummary]`, newest first; GET `/{version}/difference?from=` → `VersionDifference`;
  /// POST `/{version}/rollback?confirm=` → `RollbackResult`; POST `/{version}/confirm` → `VersionConfirmation`
  package static let versions = "/admin/v1/versions"
  /// PUT `/{name or id}` `SuspensionRequest` → `SuspensionResult`
  package static let suspensions = "/admin/v1/suspensions"
  /// GET `?limit=` → `[RevocationSummary]`, newest first; GET `/{number}` → `RevocationSummary`; POST
  /// `RevocationRequest` → `RevocationResult`; PUT `/{number}` → `RevocationSummary` confirms it under a new number
  package static let revocations = "/admin/v1/revocations"
  /// GET → `[RolloutSummary]`, newest first; GET `/{number}`, POST `/{number}/resume`, POST `/{number}/abort` →
  /// `RolloutSummary`, the first with its edges
  package static let rollouts = "/admin/v1/rollouts"
  /// GET `?team=&key=&request=&since=&until=&limit=&after=` → `UsagePage`, newest first. Times are RFC 3339.
  package static let usage = "/admin/v1/usage"
}
