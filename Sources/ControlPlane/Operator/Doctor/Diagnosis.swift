// The rules of `strait doctor`: facts in, findings out. Pure, `now` passed in.
//
// A fail is something broken; what is only not set up yet is a warning, with the command that sets it up.

import AdminAPI

package enum Diagnosis {
  /// Above this an edge is not getting its records away: a minute's worth at fifty requests a second.
  package static let spooledRecordsWorthAWord: UInt64 = 3000
  /// A week, so that nobody has to act at night; an edge's own log speaks up at the same time.
  package static let certificateSecondsWorthAWord: Int64 = 7 * 86400

  package static func database(readinessStatus status: Int) -> Finding {
    switch status {
    case 200: .ok("database", "PostgreSQL answers the control plane")
    case 503:
      .fail(
        "database", "the control plane cannot use its database",
        next: "see whether PostgreSQL runs and is reachable; the control plane's log says why it is not")
    default:
      .fail(
        "database", "what answers there is not a control plane (its readiness check gave status \(status))",
        next: "correct the address, or look at the proxy before the control plane")
    }
  }

  package static func versions(command: String, _ status: ControlPlaneStatus, edges: [EdgeSummary]) -> Finding
  {
    let others = edges.filter { $0.softwareVersion != status.softwareVersion }
    if command != status.softwareVersion {
      return .warn(
        "versions", "strait is \(command), the control plane \(status.softwareVersion)",
        next: "use the strait of the control plane's version")
    }
    if let other = others.first {
      return .warn(
        "versions",
        "\(counted(others.count, "edge")) of another version than \(status.softwareVersion), such as "
          + "\(other.softwareVersion) at \(other.baseURL)",
        next: "bring edges and control plane to one version")
    }
    return .ok("versions", "all \(command); the database is PostgreSQL \(status.databaseVersion)")
  }

  package static func regions(_ status: ControlPlaneStatus) -> Finding {
    status.regions > 0
      ? .ok("regions", "\(counted(status.regions, "region")) applied")
      : .warn("regions", "no regions", next: "strait region apply regions/")
  }

  package static func edges(_ edges: [EdgeSummary]) -> [Finding] {
    guard !edges.isEmpty else {
      return [
        .warn(
          "edges", "no edge has joined", next: "strait edge invite --region NAME, and start edge-node with it"
        )
      ]
    }
    var findings: [Finding] = []
    for edge in edges {
      if !edge.connected {
        findings.append(
          .fail(
            "edges", "\(name(edge)) is not connected, last seen \(edge.lastSeenAt ?? "never")",
            next: "see whether it runs and reaches the control plane; it serves on with what it has"))
      } else if let refusal = edge.refusal, edge.refusedVersion == nil {
        findings.append(
          .fail(
            "edges", "\(name(edge)) runs configuration \(edge.version), and \(refusal)",
            next: "run strait doctor again in a minute; if it stays so, look at the control plane's log"))
      } else if let refusal = edge.refusal, let refused = edge.refusedVersion {
        findings.append(
          .fail(
            "edges", "\(name(edge)) refused configuration \(refused): \(refusal)",
            next: "undo the change that it names; the edge keeps version \(edge.version) until then"))
      } else if edge.version != edge.newestVersion {
        findings.append(
          .warn(
            "edges", "\(name(edge)) runs configuration \(edge.version) of \(edge.newestVersion)",
            next: "run strait doctor again in a few seconds; if it stays so, look at the edge's log"))
      }
    }
    return findings.isEmpty
      ? [.ok("edges", "\(counted(edges.count, "edge")) connected and in step at \(edges[0].newestVersion)")]
      : findings
  }

  /// - Parameter rollouts: the newest first; of those that ended only the newest says something of today
  package static func rollouts(_ rollouts: [RolloutSummary]) -> Finding {
    if let halted = rollouts.first(where: { $0.state == "halted" }) {
      return .fail(
        "rollouts",
        "rollout \(halted.number) of version \(halted.target) is halted: \(halted.reason ?? "no reason given")",
        next:
          "mend what the edge names, then strait rollout resume \(halted.number); or make a change that mends it"
      )
    }
    guard let newest = rollouts.first else { return .ok("rollouts", "none yet") }
    if newest.state == "running" {
      return .ok("rollouts", "version \(newest.target) is on its way")
    }
    return .ok("rollouts", "none is halted")
  }

  /// - Parameter revocations: the newest ones
  package static func revocations(_ revocations: [RevocationSummary]) -> [Finding] {
    let findings = revocations.compactMap { revocation -> Finding? in
      let refusing = revocation.missing.filter { $0.refusal != nil }
      guard let first = refusing.first, let reason = first.refusal else { return nil }
      return .fail(
        "revocations",
        "\(counted(refusing.count, "edge")) refused revocation \(revocation.number) of team \(revocation.team), "
          + "such as \(first.edge) in \(first.region): \(reason)",
        next: "if it is meant, strait revocation confirm \(revocation.number)")
    }
    guard findings.isEmpty else { return findings }
    return [.ok("revocations", "no edge refuses one of the newest")]
  }

  package static func spool(_ edges: [EdgeSummary]) -> [Finding] {
    var findings: [Finding] = []
    for edge in edges where edge.lostRecords > 0 {
      findings.append(
        .fail(
          "spool", "\(name(edge)) has lost \(counted(edge.lostRecords, "usage record"))",
          next: "see whether its spool's disk is full or failing"))
    }
    for edge in edges where edge.spooledRecords > spooledRecordsWorthAWord {
      findings.append(
        .warn(
          "spool", "\(name(edge)) holds \(counted(edge.spooledRecords, "usage record")) not yet stored",
          next: edge.connected
            ? "run strait doctor again: the number should fall; if not, look at the control plane's log"
            : "they are safe on its disk and follow when it connects again"))
    }
    let total = edges.reduce(0) { $0 + $1.spooledRecords }
    return findings.isEmpty
      ? [.ok("spool", "\(counted(total, "usage record")) waiting, none lost")] : findings
  }

  package static func certificates(_ edges: [EdgeSummary], now: Int64) -> [Finding] {
    var findings: [Finding] = []
    var soonest: (edge: EdgeSummary, seconds: Int64)?
    for edge in edges {
      guard let end = Timestamp.parse(edge.certificateExpiresAt) else { continue }
      let rest = end - now
      if rest <= 0 {
        findings.append(
          .fail(
            "certificates", "the certificate of \(name(edge)) ended at \(edge.certificateExpiresAt)",
            next: "start it with a new join token, from strait edge invite --region \(edge.region)"))
      } else if rest < certificateSecondsWorthAWord {
        findings.append(
          .warn(
            "certificates",
            "the certificate of \(name(edge)) ends in \(DurationText.text(seconds: Int(rest)))",
            next:
              "the edge renews it by itself while it reaches the control plane; its log says why it could not"
          ))
      }
      if rest < soonest?.seconds ?? .max { soonest = (edge, rest) }
    }
    guard findings.isEmpty else { return findings }
    guard let soonest else { return [.ok("certificates", "no edge has one yet")] }
    let span = DurationText.text(seconds: Int(soonest.seconds))
    return [.ok("certificates", "the first to end is that of \(name(soonest.edge)), in \(span)")]
  }

  package static func offers(_ status: ControlPlaneStatus) -> Finding {
    status.offers > 0
      ? .ok("offers", counted(status.offers, "offer"))
      : .warn(
        "offers", "no offers: clients have no model to ask for",
        next: "strait upstream add, then strait offer add")
  }

  package static func keys(_ status: ControlPlaneStatus) -> Finding {
    status.keys > 0
      ? .ok("keys", counted(status.keys, "key"))
      : .warn(
        "keys", "no keys: nobody may ask", next: "strait team create NAME, then strait key create --team NAME"
      )
  }

  private static func name(_ edge: EdgeSummary) -> String {
    "the edge in \(edge.region) at \(edge.baseURL)"
  }
}
