// `strait doctor` at work: asks one thing after the other and hands the answers to `Diagnosis`. Each check stands on
// those before it.

import AdminAPI
import Foundation
import StraitProtocol

struct Examination {
  /// Called with each finding as it is made, so that a slow step does not look like a standstill.
  let report: (Finding) throws -> Void

  /// - Returns: whether nothing failed
  func run(_ choose: () throws(OperatorFault) -> ConnectionSettings) async throws -> Bool {
    let settings: ConnectionSettings
    do throws(OperatorFault) {
      settings = try choose()
      _ = try settings.readToken()
    } catch {
      return try give(up: .fail("profile", error), skipping: Self.afterProfile)
    }
    try report(.ok("profile", "\(settings.source), \(settings.address)"))
    let resolved: String
    do throws(OperatorFault) {
      resolved = try Self.resolve(settings)
    } catch {
      return try give(up: .fail("address", error), skipping: Self.afterAddress)
    }
    try report(.ok("address", resolved))
    do throws(OperatorFault) {
      try AdminClient.checkTrust(settings)
    } catch {
      return try give(up: .fail("tls", error), skipping: Self.afterTLS)
    }
    return try await AdminClient.connected(to: settings) { client in try await examine(client) }
  }

  private static let afterProfile = ["address"] + afterAddress
  private static let afterAddress = ["tls"] + afterTLS
  private static let afterTLS = ["token", "database"] + afterDatabase
  private static let afterDatabase = [
    "versions", "regions", "edges", "rollouts", "revocations", "spool", "certificates", "offers", "keys",
  ]

  /// Of revocations the newest; an edge that refuses older ones refuses the configuration too.
  private static let revocationsAskedFor = 100

  private func examine(_ client: AdminClient) async throws -> Bool {
    let readiness: Int
    do throws(ConnectionFault) {
      readiness = try await client.probe(AdminRoute.readiness)
    } catch {
      return try give(up: .fail("tls", error.fault(client.settings)), skipping: Self.afterTLS)
    }
    let trust = client.settings.caFile.map { "the CA in \($0)" } ?? "the system's CAs"
    try report(.ok("tls", "the control plane's certificate is trusted through \(trust)"))
    let database = Diagnosis.database(readinessStatus: readiness)
    let status: ControlPlaneStatus
    let edges: [EdgeSummary]
    let rollouts: [RolloutSummary]
    let revocations: [RevocationSummary]
    do throws(OperatorFault) {
      status = try await client.get(AdminRoute.status)
      edges = try await client.get(AdminRoute.edges)
      // The open rollout is the newest one.
      rollouts = try await client.get(AdminRoute.rollouts, query: [("limit", "1")])
      revocations = try await client.get(
        AdminRoute.revocations, query: [("limit", String(Self.revocationsAskedFor))])
    } catch {
      guard database.result == .fail else {
        return try give(up: .fail("token", error), skipping: ["database"] + Self.afterDatabase)
      }
      // Without its database the control plane cannot look the token up.
      try report(.skip("token", after: "database"))
      return try give(up: database, skipping: Self.afterDatabase)
    }
    var findings: [Finding] = [.ok("token", "accepted"), database]
    findings.append(Diagnosis.versions(command: SoftwareVersion.current, status, edges: edges))
    findings.append(Diagnosis.regions(status))
    findings += Diagnosis.edges(edges)
    findings.append(Diagnosis.rollouts(rollouts))
    findings += Diagnosis.revocations(revocations)
    findings += Diagnosis.spool(edges)
    findings += Diagnosis.certificates(edges, now: currentSeconds())
    findings.append(Diagnosis.offers(status))
    findings.append(Diagnosis.keys(status))
    for finding in findings { try report(finding) }
    return findings.allSatisfy { $0.result != .fail }
  }

  private func give(up failure: Finding, skipping rest: [String]) throws -> Bool {
    try report(failure)
    for check in rest { try report(.skip(check, after: failure.check)) }
    return false
  }

  private static func resolve(_ settings: ConnectionSettings) throws(OperatorFault) -> String {
    var hints = addrinfo()
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(settings.address.host, String(settings.address.port), &hints, &list)
    defer { if let list { freeaddrinfo(list) } }
    guard status == 0 else {
      throw OperatorFault(
        "the name \(settings.address.host) has no address (\(String(cString: gai_strerror(status))))",
        next: "correct the address in \(settings.source), or this machine's DNS")
    }
    let count = sequence(first: list, next: { $0?.pointee.ai_next }).count { $0 != nil }
    return "\(settings.address.host) resolves to \(counted(count, "address"))"
  }
}
