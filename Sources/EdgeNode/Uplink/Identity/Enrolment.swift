// From a join token to an identity.

import Crypto
import FoundationEssentials
import GRPCCore
import Logging
import StraitControlLink
import StraitProtocol
import SwiftASN1
import X509

struct Enrolment: Sendable {
  let configuration: UplinkConfiguration
  let store: IdentityStore
  let logger: Logger

  /// Asks until there is an answer. While the control plane is away it waits and asks again.
  /// - Throws: `UplinkError` when the answer is no, or cannot be used
  func enrol(token: String) async throws {
    let link = ControlLink(
      address: try LinkAddress(configuration.enrolmentAddress), authorityFile: configuration.authorityFile,
      credentials: nil, limits: configuration.limits)
    let key = try store.makeKey()
    let request = try makeRequest(token: token, key: key)
    var backoff = Backoff(configuration.limits)
    while true {
      try Task.checkCancellation()
      do {
        let response = try await ask(request, over: link)
        return try accept(response, key: key)
      } catch let error as UplinkError {
        throw error
      } catch let error as RPCError where Self.refusals.contains(error.code) {
        throw UplinkError.refusedEnrolment(reason: error.message)
      } catch let error as SystemError {
        throw error
      } catch {
        logger.warning(
          "waiting for the control plane to enrol this edge",
          metadata: ["address": "\(configuration.enrolmentAddress)", "reason": "\(linkFailure(error))"])
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
    // The control plane decides on the names; what stands here is for whoever looks at a request.
    let signing = try CertificateSigningRequest(
      version: .v1, subject: DistinguishedName { CommonName("strait edge") },
      privateKey: Certificate.PrivateKey(key), attributes: CertificateSigningRequest.Attributes())
    var serializer = DER.Serializer()
    try serializer.serialize(signing)
    return .with {
      $0.joinToken = token
      $0.certificateRequestDer = Data(serializer.serializedBytes)
      $0.softwareVersion = configuration.softwareVersion
      $0.baseURL = configuration.baseURL
    }
  }

  private func accept(_ response: WireEnrolResponse, key: P256.Signing.PrivateKey) throws {
    guard let edge = EdgeID(bytes: response.edgeID) else {
      throw UplinkError.unusableEnrolment(reason: "the edge's identifier is not of 16 bytes")
    }
    guard !response.region.isEmpty else { throw UplinkError.unusableEnrolment(reason: "it names no region") }
    let chain: [Certificate]
    do {
      chain = try response.certificateChainDer.map { try Certificate(derEncoded: Array($0)) }
    } catch {
      throw UplinkError.unusableEnrolment(reason: "a certificate cannot be read")
    }
    guard let leaf = chain.first, leaf.publicKey == Certificate.PrivateKey(key).publicKey else {
      throw UplinkError.unusableEnrolment(reason: "the certificate is not for this edge's key")
    }
    let chainPEM = try chain.map { try $0.serializeAsPEM().pemString }.joined(separator: "\n") + "\n"
    try store.store(edge: edge, region: response.region, chainPEM: chainPEM)
    logger.notice("enrolled", metadata: ["edge": "\(edge)", "region": "\(response.region)"])
  }
}
