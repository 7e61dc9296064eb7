// What an edge's file says of other edges of its region: where it may be asked, and whom it may ask.

import Logging
import StraitProtocol

struct Peering: Sendable {
  let configurations: PeerConfigurations?
  private let server: PeerServer?

  /// - Parameter link: the control plane's, for the credentials and the authority, which are the same
  init(configuration: UplinkConfiguration, region: String, link: ControlLink, logger: Logger) throws {
    let trust = PeerTrust(region: region, authorityFile: configuration.authorityFile)
    let links = try configuration.peers.map { text in
      ControlLink(
        replicas: try Replicas(texts: [text]), authorityFile: configuration.authorityFile,
        credentials: link.credentials, limits: configuration.limits, peer: trust)
    }
    configurations =
      links.isEmpty ? nil : PeerConfigurations(peers: links, limits: configuration.limits, logger: logger)
    server = try configuration.peerListen.map { text in
      PeerServer(
        listen: try LinkAddress(text), authorityFile: configuration.authorityFile, region: region,
        limits: configuration.limits, logger: logger, credentials: link.credentials ?? { nil },
        configuration: { nil })
    }
  }

  /// - Parameter configuration: what it gives at a moment
  func server(_ configuration: @escaping @Sendable () -> ConfigurationState?) -> PeerServer? {
    guard var server else { return nil }
    server.configuration = configuration
    return server
  }
}
