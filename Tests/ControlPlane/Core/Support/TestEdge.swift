// An edge as far as the control link sees it: a key of its own, a certificate, calls over mutual TLS.

import AdminAPI
import ControlPlaneCore
import Crypto
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import StraitControlLink
import StraitProtocol
import SwiftASN1
import X509

typealias LinkClient = GRPCClient<HTTP2ClientTransport.Posix>

struct TestEdge: Sendable {
  let id: EdgeID
  let region: String
  let chainDER: [[UInt8]]
  let keyDER: [UInt8]
  let authorityDER: [UInt8]

  static func certificateRequest(for key: P256.Signing.PrivateKey) throws -> [UInt8] {
    let request = try CertificateSigningRequest(
      version: .v1, subject: try DistinguishedName { CommonName("an edge") }, privateKey: .init(key),
      attributes: .init(), signatureAlgorithm: .ecdsaWithSHA256)
    var serializer = DER.Serializer()
    try serializer.serialize(request)
    return serializer.serializedBytes
  }

  static func joinToken(
    _ running: RunningControlPlane, region: String = "eu-west", validSeconds: Int? = nil
  ) async throws -> String {
    let identities = AdminServices(pool: running.pool, installation: running.controlPlane.installation)
      .identities
    let request = JoinTokenRequest(region: region, validSeconds: validSeconds)
    return try await identities.makeJoinToken(request, by: .system).token
  }

  /// Enrols over the wire.
  static func enrol(_ running: RunningControlPlane, token: String) async throws -> TestEdge {
    let key = P256.Signing.PrivateKey()
    return try await enrol(running, token: token, requestDER: certificateRequest(for: key), key: key)
  }

  static func enrol(
    _ running: RunningControlPlane, token: String, requestDER: [UInt8], key: P256.Signing.PrivateKey
  ) async throws -> TestEdge {
    let authority = try running.controlPlane.installation.authority.certificate.derBytes()
    let security = HTTP2ClientTransport.Posix.TransportSecurity.tls { tls in
      tls.trustRoots = .certificates([.bytes(authority, format: .der)])
    }
    return try await withLink(port: running.ports.enrolment, security: security) { client in
      let response = try await WireEnrolment.Client(wrapping: client).enrol(
        .with {
          $0.joinToken = token
          $0.certificateRequestDer = Data(requestDER)
          $0.softwareVersion = "0.0.1-test"
          $0.baseURL = "https://edge.test"
        })
      guard let id = EdgeID(bytes: response.edgeID) else {
        throw RPCError(code: .dataLoss, message: "no edge id")
      }
      return TestEdge(
        id: id, region: response.region, chainDER: response.certificateChainDer.map { Array($0) },
        keyDER: Array(key.derRepresentation), authorityDER: Array(response.authorityDer))
    }
  }

  static func enrolled(_ running: RunningControlPlane, region: String = "eu-west") async throws -> TestEdge {
    try await enrol(running, token: joinToken(running, region: region))
  }

  var security: HTTP2ClientTransport.Posix.TransportSecurity {
    .mTLS(
      certificateChain: chainDER.map { .bytes($0, format: .der) }, privateKey: .bytes(keyDER, format: .der)
    ) { [authorityDER] tls in
      tls.trustRoots = .certificates([.bytes(authorityDER, format: .der)])
    }
  }

  /// The same edge with its next certificate.
  func renewed(
    _ running: RunningControlPlane, with key: P256.Signing.PrivateKey = P256.Signing.PrivateKey()
  ) async throws -> TestEdge {
    let request = try Self.certificateRequest(for: key)
    return try await withLink(port: running.ports.link, security: security) { client in
      let response = try await WireIdentity.Client(wrapping: client).renew(
        .with {
          $0.certificateRequestDer = Data(request)
          $0.softwareVersion = "0.0.2-test"
        })
      return TestEdge(
        id: id, region: region, chainDER: response.certificateChainDer.map { Array($0) },
        keyDER: Array(key.derRepresentation), authorityDER: Array(response.authorityDer))
    }
  }

  func ship(_ running: RunningControlPlane, _ batch: WireUsageBatch) async throws -> UInt64 {
    try await withLink(port: running.ports.link, security: security) { client in
      try await WireUsage.Client(wrapping: client).ship(batch).sequence
    }
  }

  /// Follows the configuration and hands every state that results to `body`, until it says that it has seen enough.
  func follow(
    _ running: RunningControlPlane, holding state: ConfigurationState = ConfigurationState(),
    level: ContractLevel = .current, reporting report: WireEdgeReport? = nil,
    until body: @escaping @Sendable (ConfigurationState, [WireConfigurationUpdate]) async throws -> Bool
  ) async throws -> ConfigurationState {
    let (statuses, outgoing) = AsyncStream.makeStream(of: WireConfigurationStatus.self)
    outgoing.yield(
      .with {
        $0.hello = .with { hello in
          hello.lineage = Data(state.lineage)
          hello.version = state.version
          hello.softwareVersion = "0.0.1-test"
          hello.contract = level.rawValue
        }
      })
    if let report { outgoing.yield(.with { $0.report = report }) }
    return try await withLink(port: running.ports.link, security: security) { client in
      try await WireConfiguration.Client(wrapping: client).follow { writer in
        for await status in statuses { try await writer.write(status) }
      } onResponse: { response in
        defer { outgoing.finish() }
        var state = state
        var parts: [WireConfigurationUpdate] = []
        for try await part in response.messages {
          parts.append(part)
          guard part.last else { continue }
          state = try state.applying(parts)
          outgoing.yield(.with { $0.acknowledgement = .with { $0.version = state.version } })
          if try await body(state, parts) { return state }
          parts = []
        }
        throw RPCError(code: .unavailable, message: "the stream ended")
      }
    }
  }
}

/// Runs `body` with a connection to a listener of the control link on this machine.
func withLink<Value: Sendable>(
  port: Int, security: HTTP2ClientTransport.Posix.TransportSecurity,
  _ body: (LinkClient) async throws -> Value
) async throws -> Value {
  let transport = try HTTP2ClientTransport.Posix(
    target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: security)
  return try await LinkClient(transport: transport).withConnections(body)
}
