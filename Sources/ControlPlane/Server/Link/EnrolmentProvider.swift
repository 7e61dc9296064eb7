// Enrolment as the control link serves it: a join token and a certificate request in, a certificate out.

import Foundation
import GRPCCore
import Logging
import StraitControlLink
import StraitProtocol

struct EnrolmentProvider: WireEnrolment.SimpleServiceProtocol {
  let identities: EdgeIdentityService
  let logger: Logger

  func enrol(request: WireEnrolRequest, context: ServerContext) async throws -> WireEnrolResponse {
    try await LinkErrors.mapped(logger) {
      let enrolment = try await identities.enrol(
        EdgeIdentityService.EnrolmentRequest(
          token: request.joinToken, certificateRequestDER: Array(request.certificateRequestDer),
          softwareVersion: request.softwareVersion, baseURL: request.baseURL))
      logger.info(
        "edge enrolled",
        metadata: ["edge": "\(enrolment.identity.edge)", "region": "\(enrolment.identity.region)"])
      return .with {
        $0.edgeID = Data(enrolment.identity.edge.bytes)
        $0.region = enrolment.identity.region.text
        $0.certificateChainDer = [Data(enrolment.certificateDER)]
        $0.authorityDer = Data(enrolment.authorityDER)
      }
    }
  }
}
