// Who an edge is, as its certificate says it.

import StraitProtocol

/// `spiffe://strait/region/<region>/edge/<uuid>`, the one URI among the certificate's alternative names.
package struct EdgeIdentity: Hashable, Sendable {
  package let edge: EdgeID
  package let region: ResourceName

  package init(edge: EdgeID, region: ResourceName) {
    self.edge = edge
    self.region = region
  }

  package var uri: String { "spiffe://strait/region/\(region)/edge/\(edge)" }

  package init?(uri: String) {
    let parts = uri.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 7, parts[0] == "spiffe:", parts[1].isEmpty, parts[2] == "strait",
      parts[3] == "region",
      parts[5] == "edge", let edge = EdgeID(String(parts[6])), edge.description == parts[6],
      case .success(let region) = Result(catching: { () throws(Refusal) in
        try ResourceName(String(parts[4]), of: "region")
      })
    else { return nil }
    self.init(edge: edge, region: region)
  }
}
