// An edge that stays connected and does with new configurations what the test tells it to.

import ControlPlaneCore
import Foundation
import GRPCCore
import StraitControlLink
import StraitProtocol
import Synchronization

final class AttendingEdge: Sendable {
  enum Behaviour: Sendable {
    case take
    /// Takes every version but that one.
    case refuse(UInt64, String)
    /// Takes none from that one on, or no delta to one, and says what speaks against it.
    case refuseAll(from: UInt64, kind: WireRefusalKind, snapshots: Bool)
    /// Keeps it without an answer, until `answer`.
    case hold
  }

  /// What it says that it holds.
  enum Claim: Sendable {
    case nothing, right, wrong
  }

  private struct Shared {
    var state = ConfigurationState()
    var behaviour = Behaviour.take
    var claim = Claim.nothing
    /// From which version each update went on.
    var bases: [UInt64] = []
    var held: ConfigurationState?
    var refusals = 0
    /// What its exchanges came to, said with acknowledgements and not reported yet.
    var counts: ExchangeCounts?
  }

  let edge: TestEdge
  private let shared = Mutex(Shared())
  private let statuses: AsyncStream<WireConfigurationStatus>
  private let outgoing: AsyncStream<WireConfigurationStatus>.Continuation
  private let task: Mutex<Task<Void, any Error>?> = Mutex(nil)

  var state: ConfigurationState { shared.withLock { $0.state } }
  var version: UInt64 { state.version }
  /// A configuration that came and was not answered.
  var held: UInt64? { shared.withLock { $0.held?.version } }
  var refusals: Int { shared.withLock { $0.refusals } }
  /// From which version each update went on; 0 for a snapshot.
  var bases: [UInt64] { shared.withLock { $0.bases } }

  private init(_ edge: TestEdge, holding state: ConfigurationState, claiming claim: Claim) {
    self.edge = edge
    (statuses, outgoing) = AsyncStream.makeStream()
    shared.withLock {
      $0.state = state
      $0.claim = claim
    }
  }

  /// Connects, and returns when the control plane knows what the edge runs.
  static func join(
    _ running: RunningControlPlane, as edge: TestEdge,
    holding state: ConfigurationState = ConfigurationState(), claiming claim: Claim = .nothing,
    behaving behaviour: Behaviour = .take
  ) async throws -> AttendingEdge {
    let attending = AttendingEdge(edge, holding: state, claiming: claim)
    attending.will(behaviour)
    attending.start(running)
    try await eventually {
      let listed = try await FleetStore.list(on: running.pool).first { $0.id == edge.id.description }
      return listed?.connected == true && attending.version > 0 && listed?.version == attending.version
    }
    return attending
  }

  static func join(
    _ running: RunningControlPlane, region: String = "eu-west", claiming claim: Claim = .nothing
  ) async throws -> AttendingEdge {
    try await join(running, as: try await TestEdge.enrolled(running, region: region), claiming: claim)
  }

  func claims(_ claim: Claim) { shared.withLock { $0.claim = claim } }

  func will(_ behaviour: Behaviour) { shared.withLock { $0.behaviour = behaviour } }

  /// Takes what it holds back.
  func answer() {
    let version = shared.withLock { shared -> UInt64? in
      guard let held = shared.held else { return nil }
      shared.state = held
      shared.held = nil
      shared.behaviour = .take
      return held.version
    }
    if let version { acknowledge(version) }
  }

  /// Refuses the first of what it holds back, and drops what goes on from that.
  func refuseHeld(_ version: UInt64, because reason: String) {
    shared.withLock {
      $0.held = nil
      $0.behaviour = .take
    }
    refuse(version, reason)
  }

  /// What ends at it without a report; acknowledgements say it from now on.
  func counts(ended: UInt64, failed: UInt64) {
    shared.withLock { $0.counts = ExchangeCounts(ended: ended, failed: failed) }
  }

  func report(ended: UInt64, failed: UInt64) {
    outgoing.yield(
      .with {
        $0.report = .with {
          $0.endedExchanges = ended
          $0.failedExchanges = failed
        }
      })
  }

  func leave() async {
    let task = task.withLock { $0 }
    task?.cancel()
    _ = await task?.result
  }

  // MARK: The stream

  private func start(_ running: RunningControlPlane) {
    let (hello, claim) = shared.withLock { ($0.state, $0.claim) }
    outgoing.yield(
      .with {
        $0.hello = .with {
          $0.lineage = Data(hello.lineage)
          $0.version = hello.version
          $0.softwareVersion = "0.0.1-test"
          $0.contract = claim == .nothing ? 0 : ContractLevel.current.rawValue
          if hello.version > 0 { ($0.contentHash, $0.hashedFromDay) = claim.words(about: hello) }
        }
      })
    let (security, port) = (edge.security, running.ports.link)
    task.withLock {
      $0 = Task {
        try await withLink(port: port, security: security) { client in
          try await WireConfiguration.Client(wrapping: client).follow { writer in
            for await status in self.statuses { try await writer.write(status) }
          } onResponse: { response in
            var parts: [WireConfigurationUpdate] = []
            for try await part in response.messages {
              parts.append(part)
              guard part.last else { continue }
              try self.receive(parts)
              parts = []
            }
          }
        }
      }
    }
  }

  private func receive(_ parts: [WireConfigurationUpdate]) throws {
    let base = shared.withLock { shared in
      shared.bases.append(parts.first?.fromVersion ?? 0)
      return shared.held ?? shared.state
    }
    let next = try base.applying(parts)
    let isSnapshot = parts.first?.fromVersion == 0
    switch shared.withLock({ $0.behaviour }) {
    case .refuseAll(let first, let kind, let snapshots)
    where next.version >= first && (snapshots || !isSnapshot):
      shared.withLock { $0.refusals += 1 }
      refuse(next.version, "it is not to be", kind)
    case .hold: shared.withLock { $0.held = next }
    case .refuse(next.version, let reason):
      shared.withLock { $0.refusals += 1 }
      refuse(next.version, reason)
    case .take, .refuse, .refuseAll:
      shared.withLock { $0.state = next }
      acknowledge(next.version)
    }
  }

  private func refuse(_ version: UInt64, _ reason: String, _ kind: WireRefusalKind = .unspecified) {
    outgoing.yield(
      .with {
        $0.refusal = .with {
          $0.version = version
          $0.reason = reason
          $0.kind = kind
        }
      })
  }

  private func acknowledge(_ version: UInt64) {
    let (state, claim, counts) = shared.withLock { ($0.state, $0.claim, $0.counts) }
    outgoing.yield(
      .with {
        $0.acknowledgement = .with {
          $0.version = version
          ($0.contentHash, $0.hashedFromDay) = claim.words(about: state)
          guard let counts else { return }
          $0.exchanges = .with { ($0.ended, $0.failed) = (counts.ended, counts.failed) }
        }
      })
  }
}

extension AttendingEdge.Claim {
  fileprivate func words(about state: ConfigurationState) -> (hash: Data, fromDay: UInt32) {
    let right = state.contentClaim(now: Moment.now.microseconds)
    switch self {
    case .nothing: return (Data(), 0)
    case .right: return right
    case .wrong: return (Data(repeating: 7, count: 32), right.fromDay)
    }
  }
}
