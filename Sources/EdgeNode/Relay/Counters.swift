// What one worker counts. Its thread alone writes; anyone may read at any time.

import StraitProtocol
import Synchronization

package enum Counter: Int, CaseIterable, Sendable {
  case connectionsAccepted, connectionsOpen, connectionsRefused
  case handshakes, handshakesResumed, handshakesFailed
  case requests, exchangesActive, exchangesEnded, exchangesFailed, exchangesJudged, exchangesJudgedFailed
  case exchangesRecorded
  case retries, upstreamConnections
  case requestBytes, responseBytes, upstreamBytes

  package var name: String {
    switch self {
    case .connectionsAccepted: "strait_edge_connections_accepted_total"
    case .connectionsOpen: "strait_edge_connections_open"
    case .connectionsRefused: "strait_edge_connections_refused_total"
    case .handshakes: "strait_edge_tls_handshakes_total"
    case .handshakesResumed: "strait_edge_tls_resumptions_total"
    case .handshakesFailed: "strait_edge_tls_handshakes_failed_total"
    case .requests: "strait_edge_requests_total"
    case .exchangesActive: "strait_edge_exchanges_active"
    case .exchangesEnded: "strait_edge_exchanges_ended_total"
    case .exchangesFailed: "strait_edge_exchanges_failed_total"
    case .exchangesJudged: "strait_edge_exchanges_judged_total"
    case .exchangesJudgedFailed: "strait_edge_exchanges_judged_failed_total"
    case .exchangesRecorded: "strait_edge_usage_records_total"
    case .retries: "strait_edge_attempts_retried_total"
    case .upstreamConnections: "strait_edge_upstream_connections_open"
    case .requestBytes: "strait_edge_request_bytes_total"
    case .responseBytes: "strait_edge_response_bytes_total"
    case .upstreamBytes: "strait_edge_upstream_bytes_total"
    }
  }

  var isGauge: Bool {
    switch self {
    case .connectionsOpen, .exchangesActive, .upstreamConnections: true
    default: false
    }
  }
}

/// Why an exchange was refused or how it ended, as labels of one metric each.
package final class Counters: @unchecked Sendable {
  // The pointers never change; what they point to is atomic.
  private let values: UnsafeMutablePointer<Atomic<UInt64>>
  private let capacity: Int
  private static let reasons = 64
  private static let statuses = 600
  private static let cuts = ConnectionCut.allCases.count
  private static let addressRefusals = AddressRefusal.allCases.count
  private static let firstStatus = Counter.allCases.count + reasons
  private static let firstCut = firstStatus + statuses
  private static let firstUpstreamCut = firstCut + cuts
  private static let firstAddressRefusal = firstUpstreamCut + cuts

  package init() {
    capacity = Self.firstAddressRefusal + Self.addressRefusals
    values = .allocate(capacity: capacity)
    for index in 0..<capacity { (values + index).initialize(to: Atomic(0)) }
  }

  deinit {
    values.deinitialize(count: capacity)
    values.deallocate()
  }

  @inline(__always)
  package func add(_ counter: Counter, _ amount: UInt64 = 1) {
    bump(counter.rawValue, amount)
  }

  @inline(__always)
  package func set(_ counter: Counter, _ value: Int) {
    values[counter.rawValue].store(UInt64(max(0, value)), ordering: .relaxed)
  }

  /// Counts an ended exchange by what `ExchangeOutcome` or refusal number says.
  package func add(outcome: UInt8) {
    bump(Counter.allCases.count + Int(outcome) % Self.reasons, 1)
  }

  package func add(status: Int) {
    bump(Self.firstStatus + min(max(0, status), Self.statuses - 1), 1)
  }

  package func add(cut: ConnectionCut) {
    bump(Self.firstCut + Int(cut.rawValue), 1)
  }

  /// Counts a connection to an upstream that was ended for what the upstream did.
  package func add(upstreamCut cut: ConnectionCut) {
    bump(Self.firstUpstreamCut + Int(cut.rawValue), 1)
  }

  package func add(addressRefusal refusal: AddressRefusal) {
    bump(Self.firstAddressRefusal + Int(refusal.rawValue), 1)
  }

  package func read(_ counter: Counter) -> UInt64 { values[counter.rawValue].load(ordering: .relaxed) }
  package func read(outcome: UInt8) -> UInt64 {
    values[Counter.allCases.count + Int(outcome) % Self.reasons].load(ordering: .relaxed)
  }
  package func read(status: Int) -> UInt64 {
    values[Self.firstStatus + status].load(ordering: .relaxed)
  }
  package func read(cut: ConnectionCut) -> UInt64 {
    values[Self.firstCut + Int(cut.rawValue)].load(ordering: .relaxed)
  }
  package func read(upstreamCut cut: ConnectionCut) -> UInt64 {
    values[Self.firstUpstreamCut + Int(cut.rawValue)].load(ordering: .relaxed)
  }
  package func read(addressRefusal refusal: AddressRefusal) -> UInt64 {
    values[Self.firstAddressRefusal + Int(refusal.rawValue)].load(ordering: .relaxed)
  }

  /// One writer, so a load and a store do; no locked instruction on the data path.
  @inline(__always)
  private func bump(_ index: Int, _ amount: UInt64) {
    values[index].store(values[index].load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }
}
