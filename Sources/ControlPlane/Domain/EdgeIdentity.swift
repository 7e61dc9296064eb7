// Who an edge is, as its certificate says it.

import StraitProtocol

/// The edge that a certificate names, in a region whose name has been checked.
package struct EdgeIdentity: Hashable, Sendable {
  package let edge: EdgeID
  package let region: ResourceName

  package init(edge: EdgeID, region: ResourceName) {
    self.edge = edge
    self.region = region
  }

  package var uri: String { EdgeName(edge: edge, region: region.text).uri }

  package init?(uri: String) {
    guard let name = EdgeName(uri: uri),
      case .success(let region) = Result(catching: { () throws(Refusal) in
        try ResourceName(name.region, of: "region")
      })
    else { return nil }
    self.init(edge: name.edge, region: region)
  }
}
