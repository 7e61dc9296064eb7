// From a join token to an identity.

import Crypto
import FoundationEssentials
import GRPCCore
import Logging
import StraitControlLink
import StraitProtocol

struct Enrolment: Sendable {
  let configuration: UplinkConfiguration
  let store: IdentityStore
  let logger: Logger

  /// Asks until there is an answer. While the control plane is away it waits and asks again.
  /// - Parameter former: who this edge is already, where only its certificate has ended; it is known by its key
  /// - Throws: `UplinkError` when the answer is no, or cannot be used
  func enrol(token: String, again former: EdgeIdentity? = nil) async throws {
    let link = ControlLink(
      replicas: try Replicas(texts: configuration.enrolmentAddresses),
      authorityFile: configuration.authorityFile,
      credentials: nil, limits: configuration.limits)
    let key = try store.makeKey()
    let request = try makeRequest(token: token, key: key)
    var backoff = Backoff(configuration.limits)
    while true {
      try Task.checkCancellation()
      do {
        let response = try await ask(request, over: link)
        return try accept(response, key: key, former: former)
      } catch let error as UplinkError {
        throw error
      } catch let error as RPCError where Self.refusals.contains(error.code) {
        throw UplinkError.refusedEnrolment(reason: error.message)
      } catch let error as SystemError {
        throw error
      } catch {
        logger.warning(
          "waiting for the control plane to enrol this edge",
          metadata: [
            "addresses": "\(configuration.enrolmentAddresses.joined(separator: ", "))",
            "reason": "\(linkFailure(error))",
          ])
      }
      await backoff.pause()
    }
  }

  /// Answers that another attempt with the same token would only repeat.
  private static let refusals: Set<RPCError.Code> = [
    .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition, .unauthenticated,
    .unimplemented,
  ]

  private func ask(_ request: WireEnrolRequest, over link: ControlLink) async throws -> WireEnrolResponse {
    var options = CallOptions.defaults
    options.timeout = .seconds(configuration.limits.enrolSeconds)
    let chosen = options
    return try await link.withClient { client in
      try await WireEnrolment.Client(wrapping: client).enrol(request, options: chosen)
    }
  }

  private func makeRequest(token: String, key: P256.Signing.PrivateKey) throws -> WireEnrolRequest {
    let requestDER = try CertificateRequest.der(for: key)
    return .with {
      $0.joinToken = token
      $0.certificateRequestDer = requestDER
      $0.softwareVersion = configuration.softwareVersion
      $0.baseURL = configuration.baseURL
    }
  }

  private func accept(
    _ response: WireEnrolResponse, key: P256.Signing.PrivateKey, former: EdgeIdentity?
  ) throws {
    guard let edge = EdgeID(bytes: response.edgeID) else {
      throw UplinkError.unusableEnrolment(reason: "the edge's identifier is not of 16 bytes")
    }
    guard !response.region.isEmpty else { throw UplinkError.unusableEnrolment(reason: "it names no region") }
    if let former, former.edge != edge || former.region != response.region {
      throw UplinkError.unusableEnrolment(
        reason:
          "the control plane does not know this edge by its key any more; remove its identity files to make it "
          + "a new edge, with another join token")
    }
    let chainPEM = try CertificateRequest.chainPEM(response.certificateChainDer, for: key)
    try store.store(edge: edge, region: response.region, chainPEM: chainPEM)
    logger.notice("enrolled", metadata: ["edge": "\(edge)", "region": "\(response.region)"])
  }
}
