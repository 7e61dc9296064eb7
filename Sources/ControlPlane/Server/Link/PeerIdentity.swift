// Who is at the other end of the control link: what its certificate says, and nothing that it says itself.

import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import Postgres
import X509

/// An edge's certificate. TLS has already checked that it is one of ours.
struct PeerCertificate: Sendable {
  let identity: EdgeIdentity
  let expiresAt: Moment
  let publicKey: Certificate.PublicKey

  init(of context: ServerContext) throws(RPCError) {
    let transport = context.transportSpecific as? HTTP2ServerTransport.Posix.Context
    guard let certificate = transport?.peerCertificate else {
      throw RPCError(code: .unauthenticated, message: "no client certificate was presented")
    }
    guard let identity = certificate.edgeIdentity else {
      throw RPCError(code: .unauthenticated, message: "the client certificate names no edge")
    }
    self.identity = identity
    publicKey = certificate.publicKey
    expiresAt = Moment(
      microseconds: Int64((certificate.notValidAfter.timeIntervalSince1970 * 1_000_000).rounded()))
  }
}

enum PeerIdentity {
  /// The edge that the peer's certificate names.
  static func edge(of context: ServerContext) throws(RPCError) -> EdgeIdentity {
    try PeerCertificate(of: context).identity
  }
}
