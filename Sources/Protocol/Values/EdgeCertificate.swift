// What both planes know of an edge's certificate: whom it names, and when it is to be renewed.

/// Who an edge's certificate names: `spiffe://strait/region/<region>/edge/<uuid>`, the one URI among its alternative
/// names.
package struct EdgeName: Hashable, Sendable {
  package let edge: EdgeID
  package let region: String

  package init(edge: EdgeID, region: String) {
    self.edge = edge
    self.region = region
  }

  package var uri: String { "spiffe://strait/region/\(region)/edge/\(edge)" }

  /// - Returns: nothing unless the text is exactly what such a name gives
  package init?(uri: String) {
    let parts = uri.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 7, let edge = EdgeID(String(parts[6])), !parts[4].isEmpty else { return nil }
    self.init(edge: edge, region: String(parts[4]))
    guard self.uri == uri else { return nil }
  }
}

package enum EdgeCertificate {
  /// Certificates count from so much earlier than they were made, because clocks differ: an edge whose clock is an hour
  /// behind is to be heard all the same.
  package static let clockSkewSeconds = 7200

  /// When the next certificate is to be asked for: after two thirds of the time that this one was given.
  /// - Parameters: seconds since 1970
  package static func renewal(from notBefore: Double, until notAfter: Double) -> Double {
    notAfter - max(0, notAfter - notBefore - Double(clockSkewSeconds)) / 3
  }
}
