// What edges of the same region run on, for an edge that has nothing while the control plane is away.

import GRPCCore
import Logging
import StraitControlLink
import StraitProtocol

struct PeerConfigurations: Sendable {
  let peers: [ControlLink]
  let limits: UplinkLimits
  let logger: Logger

  /// The parts of a whole snapshot from the first peer that gives one, asked in the order of the file.
  /// - Parameter floor: an older one of the same database is not taken
  func fetch(notBelow floor: StoredVersion?) async -> [WireConfigurationUpdate]? {
    for peer in peers {
      if Task.isCancelled { return nil }
      let name = "\(peer.replicas.current)"
      do {
        let parts = try await fetch(from: peer, notBelow: floor)
        logger.notice("taking the configuration of another edge", metadata: ["peer": "\(name)"])
        return parts
      } catch {
        logger.warning(
          "no configuration from another edge",
          metadata: ["peer": "\(name)", "reason": "\(linkFailure(error))"])
      }
    }
    return nil
  }

  private func fetch(
    from peer: ControlLink, notBelow floor: StoredVersion?
  ) async throws -> [WireConfigurationUpdate] {
    var options = CallOptions.defaults
    options.timeout = .seconds(limits.peerFetchSeconds)
    options.maxResponseMessageBytes = limits.updatePartBytes
    let chosen = options
    return try await peer.withClient { client in
      try await WirePeers.Client(wrapping: client).fetch(
        .with { $0.contract = ContractLevel.current.rawValue }, options: chosen
      ) {
        [limits] response in
        var parts: [WireConfigurationUpdate] = []
        for try await part in response.messages {
          guard parts.count < limits.updateParts, part.fromVersion == 0 else {
            throw RPCError(code: .dataLoss, message: "the peer sent something else than a snapshot")
          }
          if let floor, Array(part.lineage) == floor.lineage, part.version < floor.version {
            throw RPCError(
              code: .failedPrecondition,
              message:
                "the peer has version \(part.version), and this edge knows what version \(floor.version) revoked"
            )
          }
          parts.append(part)
        }
        return parts
      }
    }
  }
}
