// Edges: invited by a join token, let in with a certificate, seen while they follow.

import AdminAPI
import Postgres
import StraitProtocol

package struct EdgeService: Sendable {
  let changes: ChangeService
  let authority: CertificateAuthority

  package init(changes: ChangeService, authority: CertificateAuthority) {
    self.changes = changes
    self.authority = authority
  }

  package func list() async throws -> [EdgeSummary] {
    try await EdgeStore.list(on: changes.pool)
  }

  package func makeJoinToken(_ request: JoinTokenRequest, by actor: Actor) async throws -> JoinToken {
    let region = try ResourceName(request.region, of: "region")
    let seconds = try Validity.seconds(
      request.validSeconds, default: Validity.joinTokenSeconds, in: Validity.joinTokenRange)
    let token = BearerToken.generate(for: .join)
    let expiresAt = Moment.now.adding(seconds: seconds)
    return try await changes.perform(by: actor) { transaction in
      try await requireRegion(region, on: transaction)
      try await JoinTokenStore.insert(token.digest, region: region, expiresAt: expiresAt, on: transaction)
      let answer = JoinToken(token: token.secret, region: region.text, expiresAt: expiresAt.rfc3339)
      return (answer, Change("join-token.create", subject: region))
    }
  }

  package struct Enrolment: Sendable {
    package let identity: EdgeIdentity
    package let certificateDER: [UInt8]
    package let authorityDER: [UInt8]
  }

  package struct EnrolmentRequest: Sendable {
    package let token: String
    package let certificateRequestDER: [UInt8]
    package let softwareVersion: String
    package let baseURL: String

    package init(token: String, certificateRequestDER: [UInt8], softwareVersion: String, baseURL: String) {
      self.token = token
      self.certificateRequestDER = certificateRequestDER
      self.softwareVersion = softwareVersion
      self.baseURL = baseURL
    }
  }

  /// Turns a join token into a certificate, once.
  package func enrol(_ asked: EnrolmentRequest) async throws -> Enrolment {
    let version = try Label(asked.softwareVersion, of: "software version")
    let baseURL = try Label(asked.baseURL, of: "base URL")
    let request = try EdgeCertificateRequest(der: asked.certificateRequestDER)
    guard let token = BearerToken(asked.token, for: .join) else { throw Self.unknownToken }
    let edge: EdgeID = newIdentifier()
    return try await changes.perform(by: Actor(description: "edge:\(edge)")) { transaction in
      let region = try await Self.region(admittedBy: token, on: transaction)
      let identity = EdgeIdentity(edge: edge, region: region)
      let (certificate, expiresAt) = try authority.issue(for: identity, request: request, now: .now)
      let row = EdgeStore.NewRow(
        identity: identity, baseURL: baseURL.text, softwareVersion: version.text,
        certificateExpiresAt: expiresAt)
      try await EdgeStore.insert(row, on: transaction)
      try await JoinTokenStore.markUsed(token.digest, by: edge, on: transaction)
      let enrolment = Enrolment(
        identity: identity, certificateDER: try certificate.derBytes(),
        authorityDER: try authority.certificate.derBytes())
      return (enrolment, Change("edge.enrol", subject: "\(edge) in \(region)"))
    }
  }

  private static func region(
    admittedBy token: BearerToken, on transaction: PostgresTransaction
  ) async throws -> ResourceName {
    guard let state = try await JoinTokenStore.lock(token.digest, on: transaction) else { throw unknownToken }
    let hint = "make a new one with `strait edge invite`"
    if state.used { throw Refusal(.unauthorised, "the join token was used already", hint: hint) }
    if state.expired { throw Refusal(.unauthorised, "the join token has expired", hint: hint) }
    return try ResourceName(state.region, of: "region")
  }

  private static let unknownToken = Refusal(
    .unauthorised, "the join token is unknown",
    hint: "make one with `strait edge invite` and copy it whole")
}
