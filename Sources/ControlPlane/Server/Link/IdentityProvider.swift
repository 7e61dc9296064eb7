// Renewal as the control link serves it: an edge that is in the fleet asks for its next certificate.

import Foundation
import GRPCCore
import Logging
import StraitControlLink
import StraitProtocol

struct IdentityProvider: WireIdentity.SimpleServiceProtocol {
  let identities: EdgeIdentityService
  let logger: Logger

  func renew(request: WireRenewRequest, context: ServerContext) async throws -> WireRenewResponse {
    let peer = try PeerCertificate(of: context)
    return try await LinkErrors.mapped(logger) {
      let certified = try await identities.renew(
        EdgeIdentityService.RenewalRequest(
          certificateRequestDER: Array(request.certificateRequestDer),
          softwareVersion: request.softwareVersion), for: peer.identity, present: peer.publicKey)
      logger.info("edge renewed its certificate", metadata: ["edge": "\(peer.identity.edge)"])
      return .with {
        $0.certificateChainDer = [Data(certified.certificateDER)]
        $0.authorityDer = Data(certified.authorityDER)
      }
    }
  }
}
