// Whether an edge may use the control link.

package enum EdgeStanding: Sendable, Equatable {
  case admitted
  /// Taken out by an operator. It never comes back under this id.
  case evicted
  /// Not enrolled in this database, or in another region.
  case unknown

  /// - Throws: `EdgeEvicted` or a `Refusal`
  package func requireAdmitted() throws {
    switch self {
    case .admitted: return
    case .evicted: throw EdgeEvicted()
    case .unknown:
      throw Refusal(
        .unauthorised, "the edge is not enrolled here", hint: "enrol it again with a new join token")
    }
  }
}

/// Ends every call of an edge that an operator has evicted.
package struct EdgeEvicted: Error, CustomStringConvertible {
  package init() {}

  package var description: String {
    "the edge was evicted (make a join token with `strait edge invite` to let it in as a new edge)"
  }
}
