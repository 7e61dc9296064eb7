// The counters of all workers as Prometheus text.

import StraitProtocol

package enum Metrics {
  /// - Parameter gauges: further values, by metric name
  package static func text(_ workers: [Counters], gauges: [(name: String, value: Double)]) -> String {
    var text = ""
    for counter in Counter.allCases {
      append(&text, counter.name, isGauge: counter.isGauge, workers.reduce(0) { $0 &+ $1.read(counter) })
    }
    text += "# TYPE strait_edge_exchanges_total counter\n"
    for outcome in ExchangeOutcome.allCases {
      let count = workers.reduce(0) { $0 &+ $1.read(outcome: outcome.rawValue) }
      text += "strait_edge_exchanges_total{outcome=\"\(outcome.word)\"} \(count)\n"
    }
    text += "# TYPE strait_edge_refusals_total counter\n"
    for (offset, word) in EdgeFault.counterWords.enumerated() {
      let count = workers.reduce(0) { $0 &+ $1.read(outcome: UInt8(EdgeFault.firstCounterIndex + offset)) }
      text += "strait_edge_refusals_total{reason=\"\(word)\"} \(count)\n"
    }
    for cut in ConnectionCut.allCases {
      let count = workers.reduce(0) { $0 &+ $1.read(cut: cut) }
      text += "strait_edge_refusals_total{reason=\"\(cut.word)\"} \(count)\n"
    }
    text += "# TYPE strait_edge_answers_total counter\n"
    for status in 100..<600 {
      let count = workers.reduce(0) { $0 &+ $1.read(status: status) }
      if count > 0 { text += "strait_edge_answers_total{status=\"\(status)\"} \(count)\n" }
    }
    for gauge in gauges {
      text += "# TYPE \(gauge.name) gauge\n\(gauge.name) \(gauge.value)\n"
    }
    return text
  }

  private static func append(_ text: inout String, _ name: String, isGauge: Bool, _ value: UInt64) {
    text += "# TYPE \(name) \(isGauge ? "gauge" : "counter")\n\(name) \(value)\n"
  }
}
