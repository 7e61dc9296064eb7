// Keeps the edge's certificate good: asks for the next one in time, with a fresh key, over the link that the present one
// opens. Once a certificate has ended no link opens, and only a new join token brings the edge back.

import FoundationEssentials
import GRPCCore
import Logging
import StraitControlLink
import StraitProtocol

struct CertificateRenewal: Sendable {
  let link: ControlLink
  let configuration: UplinkConfiguration
  let store: IdentityStore
  let logger: Logger
  let identity: @Sendable () -> EdgeIdentity?
  /// Takes up what the store holds now.
  let adopt: @Sendable () throws -> Void

  /// A fleet that was enrolled together does not renew together.
  private let earlier = Double.random(in: 0..<0.25)

  init(
    link: ControlLink, configuration: UplinkConfiguration, store: IdentityStore, logger: Logger,
    identity: @escaping @Sendable () -> EdgeIdentity?, adopt: @escaping @Sendable () throws -> Void
  ) {
    self.link = link
    self.configuration = configuration
    self.store = store
    self.logger = logger
    self.identity = identity
    self.adopt = adopt
  }

  /// Renews until the task is cancelled.
  func run() async {
    let limits = configuration.limits
    var backoff = Backoff(
      firstMilliseconds: limits.renewRetryMilliseconds,
      maximumMilliseconds: limits.renewRetryMaximumMilliseconds)
    var token = configuration.joinToken
    while !Task.isCancelled, let identity = identity() {
      guard isDue(identity) else {
        do { try await Task.sleep(for: .seconds(limits.certificateLookSeconds)) } catch {}
        continue
      }
      do {
        try await next(after: identity, &token)
        backoff.reset()
      } catch {
        if Task.isCancelled { return }
        report(error, identity)
      }
      await backoff.pause()
    }
  }

  private func isDue(_ identity: EdgeIdentity) -> Bool {
    let (begin, end) = (
      identity.certificateBegins.timeIntervalSince1970, identity.certificateExpires.timeIntervalSince1970
    )
    let due = EdgeCertificate.renewal(from: begin, until: end)
    return Date().timeIntervalSince1970 >= due - (end - due) * earlier
  }

  private func next(after identity: EdgeIdentity, _ token: inout String?) async throws {
    guard identity.hasEnded, let joinToken = token, !joinToken.isEmpty else { return try await renew() }
    do {
      try await Enrolment(configuration: configuration, store: store, logger: logger)
        .enrol(token: joinToken, again: identity)
      try adopt()
    } catch let error as UplinkError {
      // Another attempt with the same token would be refused again.
      token = nil
      throw error
    }
  }

  private func renew() async throws {
    let key = try store.nextKey()
    let request = WireRenewRequest.with {
      $0.softwareVersion = configuration.softwareVersion
    }
    var asked = request
    asked.certificateRequestDer = try CertificateRequest.der(for: key)
    var options = CallOptions.defaults
    options.timeout = .seconds(configuration.limits.enrolSeconds)
    let (chosen, message) = (options, asked)
    let response = try await link.withClient { client in
      try await WireIdentity.Client(wrapping: client).renew(message, options: chosen)
    }
    try store.adoptNextKey(
      chainPEM: try CertificateRequest.chainPEM(response.certificateChainDer, for: key))
    try adopt()
    logger.notice(
      "certificate renewed", metadata: ["until": "\(identity().map { "\($0.certificateExpires)" } ?? "")"])
  }

  private func report(_ error: any Error, _ identity: EdgeIdentity) {
    let reason = "\(linkFailure(error))"
    if identity.hasEnded {
      logger.error(
        """
        the edge's certificate has ended: the control plane hears nothing of it, and it serves on with what it has; \
        start it with a new join token of its region, and it keeps its id, its spool and its configuration
        """, metadata: ["ended": "\(identity.certificateExpires)", "reason": "\(reason)"])
    } else {
      logger.warning(
        "the edge's certificate is not renewed yet",
        metadata: ["ends": "\(identity.certificateExpires)", "reason": "\(reason)"])
    }
  }
}
