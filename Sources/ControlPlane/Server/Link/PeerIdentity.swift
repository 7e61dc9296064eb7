// Who is at the other end of the control link: what its certificate says, and nothing that it says itself.

import GRPCCore
import GRPCNIOTransportHTTP2
import Postgres

enum PeerIdentity {
  /// The edge that the peer's certificate names. TLS has already checked that the certificate is one of ours.
  static func edge(of context: ServerContext) throws(RPCError) -> EdgeIdentity {
    let transport = context.transportSpecific as? HTTP2ServerTransport.Posix.Context
    guard let certificate = transport?.peerCertificate else {
      throw RPCError(code: .unauthenticated, message: "no client certificate was presented")
    }
    guard let identity = certificate.edgeIdentity else {
      throw RPCError(code: .unauthenticated, message: "the client certificate names no edge")
    }
    return identity
  }
}
