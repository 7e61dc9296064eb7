// Who may be which edge: a join token and a key give an identity, and an identity gives its next certificate.

import AdminAPI
import Postgres
import StraitProtocol
import X509

package struct EdgeIdentityService: Sendable {
  let changes: ChangeService
  let authority: CertificateAuthority
  /// How long an edge's certificate is good.
  let certificateSeconds: Int

  package init(
    changes: ChangeService, authority: CertificateAuthority,
    certificateSeconds: Int = Validity.edgeCertificateSeconds
  ) {
    self.changes = changes
    self.authority = authority
    self.certificateSeconds = certificateSeconds
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

  /// What an edge is told of itself.
  package struct Certified: Sendable {
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

  /// Turns a join token into a certificate, once. An enrolment whose answer was lost gives the same edge again, and so
  /// does a new token in the hands of an edge of its region whose certificate has ended: the edge is known by its key.
  package func enrol(_ asked: EnrolmentRequest) async throws -> Certified {
    let version = try Label(asked.softwareVersion, of: "software version")
    let baseURL = try Label(asked.baseURL, of: "base URL")
    let request = try EdgeCertificateRequest(der: asked.certificateRequestDER)
    guard let token = BearerToken(asked.token, for: .join) else { throw JoinAdmission.unknownToken }
    let newcomer: EdgeID = newIdentifier()
    return try await changes.perform(by: Actor(description: "join-token")) { transaction in
      guard let state = try await JoinTokenStore.lock(token.digest, on: transaction) else {
        throw JoinAdmission.unknownToken
      }
      let holder = try await EdgeKeyStore.holder(of: request.keyDigest, on: transaction)
      let admission = try JoinAdmission(state, holder: holder, newcomer: newcomer)
      let identity = admission.identity
      let (certificate, expiresAt) = try issue(for: identity, request)
      let row = EdgeStore.Row(
        identity: identity, baseURL: baseURL.text, softwareVersion: version.text,
        certificateExpiresAt: expiresAt)
      try await EdgeStore.insertOrUpdate(row, on: transaction)
      try await Self.keep(request.keyDigest, of: identity.edge, on: transaction)
      try await JoinTokenStore.markUsed(token.digest, by: identity.edge, on: transaction)
      return (certificate, Change(admission.action, subject: "\(identity.edge) in \(identity.region)"))
    }
  }

  package struct RenewalRequest: Sendable {
    package let certificateRequestDER: [UInt8]
    package let softwareVersion: String

    package init(certificateRequestDER: [UInt8], softwareVersion: String) {
      self.certificateRequestDER = certificateRequestDER
      self.softwareVersion = softwareVersion
    }
  }

  /// A new certificate for an edge that is in the fleet.
  /// - Parameter present: the key that it speaks with now
  package func renew(
    _ asked: RenewalRequest, for identity: EdgeIdentity, present: Certificate.PublicKey
  ) async throws -> Certified {
    let version = try Label(asked.softwareVersion, of: "software version")
    let request = try EdgeCertificateRequest(der: asked.certificateRequestDER)
    return try await changes.perform(by: Actor(description: "edge:\(identity.edge)")) { transaction in
      try await EdgeStore.standing(of: identity, on: transaction).requireAdmitted()
      let (certificate, expiresAt) = try issue(for: identity, request)
      try await EdgeStore.renew(
        identity.edge, softwareVersion: version.text, certificateExpiresAt: expiresAt, on: transaction)
      if let digest = EdgeCertificateRequest.digest(of: present) {
        try await Self.keep(digest, of: identity.edge, on: transaction)
      }
      try await Self.keep(request.keyDigest, of: identity.edge, on: transaction)
      return (certificate, Change("edge.renew", subject: "\(identity.edge) in \(identity.region)"))
    }
  }

  private func issue(
    for identity: EdgeIdentity, _ request: EdgeCertificateRequest
  ) throws -> (Certified, expiresAt: Moment) {
    let (certificate, expiresAt) = try authority.issue(
      for: identity, request: request, now: .now, seconds: certificateSeconds)
    let certified = Certified(
      identity: identity, certificateDER: try certificate.derBytes(),
      authorityDER: try authority.certificate.derBytes())
    return (certified, expiresAt)
  }

  private static func keep(_ key: Digest, of edge: EdgeID, on transaction: PostgresTransaction) async throws {
    guard try await EdgeKeyStore.insert(key, of: edge, on: transaction) else {
      throw Refusal(.conflict, "the key is another edge's", hint: "let every edge make a key of its own")
    }
  }
}
