// Why the control plane was not reached or not understood: one kind for each next step. The only place that knows the
// HTTP library's errors.

import AsyncHTTPClient
import NIOCore
import NIOPosix
import NIOSSL

package enum ConnectionFault: Error, Equatable, Sendable {
  case unknownHost
  case refused
  case unreachable(String)
  case notTrusted
  case notTLS
  case timedOut
  case closed
  case other(String)

  package init(_ error: any Error) {
    self =
      switch error {
      case let error as NIOConnectionError: Self(error)
      case let error as HTTPClientError: Self(error)
      case let error as NIOSSLError: Self(error)
      case let error as BoringSSLError: Self.tls(String(describing: error))
      case is NIOSSLExtraError: .notTrusted
      case let error as IOError: Self(error)
      case is ChannelError: .closed
      default: .other(String(describing: type(of: error)))
      }
  }

  private init(_ error: NIOConnectionError) {
    if let first = error.connectionErrors.first {
      self = Self(first.error)
    } else {
      self = .unknownHost
    }
  }

  private init(_ error: HTTPClientError) {
    switch error {
    case .connectTimeout, .tlsHandshakeTimeout, .readTimeout, .writeTimeout, .deadlineExceeded,
      .getConnectionFromPoolTimeout:
      self = .timedOut
    case .remoteConnectionClosed, .uncleanShutdown: self = .closed
    default: self = .other(error.shortDescription)
    }
  }

  private init(_ error: NIOSSLError) {
    switch error {
    case .handshakeFailed(let cause): self = Self.tls(String(describing: cause))
    case .unableToValidateCertificate: self = .notTrusted
    case .uncleanShutdown: self = .closed
    default: self = .other("a TLS error")
    }
  }

  private init(_ error: IOError) {
    switch error.errnoCode {
    case ECONNREFUSED: self = .refused
    case ECONNRESET, EPIPE: self = .closed
    case ETIMEDOUT: self = .timedOut
    default: self = .unreachable(String(cString: strerror(error.errnoCode)))
    }
  }

  private static func tls(_ text: String) -> ConnectionFault {
    if text.contains("CERTIFICATE_VERIFY_FAILED") { return .notTrusted }
    if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") { return .notTLS }
    return text.contains("sslError") ? .other("the TLS handshake failed") : .closed
  }

  /// What the operator is told.
  package func fault(_ settings: ConnectionSettings) -> OperatorFault {
    let (reason, next) = explained(settings)
    return OperatorFault("could not reach the control plane at \(settings.address): \(reason)", next: next)
  }

  private func explained(_ settings: ConnectionSettings) -> (reason: String, next: String) {
    let place = "the address in \(settings.source)"
    return switch self {
    case .unknownHost:
      ("the name \(settings.address.host) has no address", "check \(place) and this machine's DNS")
    case .refused:
      ("connection refused", "start the control plane there, or correct \(place)")
    case .unreachable(let reason):
      (reason.lowercased(), "check \(place) and the network between here and there")
    case .notTrusted where settings.caFile == nil:
      (
        "its certificate is not trusted, is out of date or is for another name",
        "if it is from a private CA, name the CA with STRAIT_CA_FILE or strait profile set --ca-file"
      )
    case .notTrusted:
      (
        "its certificate is not from the CA in \(settings.caFile ?? ""), is out of date or is for another name",
        "get the CA file from the control plane that you mean, and use a name that its certificate holds"
      )
    case .notTLS:
      ("what answers there does not speak TLS", "correct \(place): it must be the admin port")
    case .timedOut:
      ("no answer in time", "see whether the control plane is overloaded or a firewall drops the connection")
    case .closed:
      ("the connection was closed before the answer", "look at the control plane's log, then try again")
    case .other(let reason):
      (reason, "run strait doctor")
    }
  }
}
