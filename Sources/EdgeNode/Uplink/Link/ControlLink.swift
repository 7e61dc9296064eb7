// A connection to the control plane: where it goes, whom it trusts, as whom it speaks.

import GRPCCore
import GRPCNIOTransportHTTP2
import StraitControlLink
import StraitProtocol

typealias LinkClient = GRPCClient<HTTP2ClientTransport.Posix>

/// A host and a port as operators write them.
package struct LinkAddress: Equatable, Sendable, CustomStringConvertible {
  package var host: String
  package var port: Int

  /// - Parameter text: `host:port`, `192.0.2.1:port` or `[2001:db8::1]:port`
  package init(_ text: String) throws(UplinkError) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (1...65_535).contains(port)
    else { throw .malformedAddress(text) }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw .malformedAddress(text)
    }
    guard !host.isEmpty else { throw .malformedAddress(text) }
    self.host = String(host)
    self.port = port
  }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// A literal address is checked against the certificate's addresses, a name against its names.
  var target: any ResolvableTarget {
    if host.contains(":") { return .ipv6(address: host, port: port) }
    let isIPv4 =
      host.split(separator: ".", omittingEmptySubsequences: false).count == 4
      && host.utf8.allSatisfy {
        $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
      }
    return isIPv4 ? .ipv4(address: host, port: port) : .dns(host: host, port: port)
  }
}

/// The makings of connections to one control plane, or to one edge.
struct ControlLink: Sendable {
  let replicas: Replicas
  let authorityFile: String
  /// nil on the way to enrolment. Asked for each connection, because they are renewed.
  let credentials: (@Sendable () -> EdgeCredentials?)?
  let limits: UplinkLimits
  /// Set where the other side is an edge, which must be of the same region.
  var peer: PeerTrust?
  /// Told when the control plane says that this edge is out of the fleet.
  var evicted: @Sendable () -> Void = {}
  /// Where the connections run; nil for the threads that all tasks share.
  var lane: LaneExecutor?

  /// Runs the body with a fresh client, which ends with the body.
  ///
  /// A fresh one for each attempt: whatever state a broken connection is in, the next attempt does not share it, and goes
  /// to the next replica.
  func withClient<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: (LinkClient) async throws -> Result
  ) async throws -> Result {
    let address = replicas.current
    let transport = try HTTP2ClientTransport.Posix(
      target: address.target, transportSecurity: try security(), config: configuration())
    do {
      return try await LinkClient(transport: transport).withConnections(on: lane, body)
    } catch {
      if let refusal = error as? RPCError, refusal.isEviction { evicted() }
      replicas.leave(address)
      throw error
    }
  }

  private func configuration() -> HTTP2ClientTransport.Posix.Config {
    .defaults { config in
      config.connection.maxIdleTime = nil
      config.connection.keepalive = .init(
        time: .seconds(limits.keepaliveSeconds), timeout: .seconds(limits.keepaliveTimeoutSeconds),
        allowWithoutCalls: true)
      let silence = limits.keepaliveSeconds + limits.keepaliveTimeoutSeconds
      config.channelDebuggingCallbacks.onCreateTCPConnection = { [limits] channel in
        DialLimit.set(limits.dialSeconds, on: channel)
        return SilenceLimit.set(silence, on: channel)
      }
      config.backoff.initial = .milliseconds(limits.reconnectMilliseconds)
      config.backoff.max = .milliseconds(limits.reconnectMaximumMilliseconds)
    }
  }

  private func security() throws -> HTTP2ClientTransport.Posix.TransportSecurity {
    let trust = TLSConfig.TrustRootsSource.certificates([.file(path: authorityFile, format: .pem)])
    guard let credentials = credentials?() else { return .tls { $0.trustRoots = trust } }
    let verification = try peer?.verification()
    return .mTLS(certificateChain: credentials.certificateChain, privateKey: credentials.privateKey) {
      $0.trustRoots = trust
      guard let verification else { return }
      $0.serverCertificateVerification = .noHostnameVerification
      $0.customVerificationCallback = verification
    }
  }
}

extension RPCError {
  fileprivate var isEviction: Bool {
    code == .permissionDenied
      && metadata[stringValues: LinkRefusal.metadataKey].contains(LinkRefusal.evicted)
  }

  /// What to log of it. Causes of the transport are named by type only.
  var summary: String {
    guard let cause else { return "\(code): \(message)" }
    return "\(code): \(message) (\(String(describing: type(of: cause))))"
  }
}

/// The words for a log line about any failure of the link.
func linkFailure(_ error: any Error) -> String {
  if let error = error as? RPCError { return error.summary }
  return "\(error)"
}
