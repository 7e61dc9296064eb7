// What `/metrics` says of the control link and of the configurations that came over it.

import StraitProtocol
import Synchronization

final class LinkFacts: Sendable {
  private struct State {
    var isLinked = false
    var heardVersion: UInt64 = 0
    var refusals: [RefusalKind: UInt64] = [:]
  }

  private let state = Mutex(State())

  var isLinked: Bool { state.withLock { $0.isLinked } }
  func setLinked(_ value: Bool) { state.withLock { $0.isLinked = value } }

  func heard(version: UInt64) { state.withLock { $0.heardVersion = version } }
  func refused(_ kind: RefusalKind) { state.withLock { $0.refusals[kind, default: 0] += 1 } }

  /// Names with their labels, and values.
  var metrics: [(name: String, value: Double)] {
    let facts = state.withLock { $0 }
    return [
      ("strait_edge_control_plane_connected", facts.isLinked ? 1 : 0),
      ("strait_edge_configuration_heard_version", Double(facts.heardVersion)),
    ]
      + RefusalKind.allCases.map {
        (
          "strait_edge_configuration_refusals_total{reason=\"\($0.rawValue)\"}",
          Double(facts.refusals[$0] ?? 0)
        )
      }
  }
}
