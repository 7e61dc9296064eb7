// What all workers count and measure as Prometheus text.

import StraitProtocol

enum Metrics {
  /// - Parameter gauges: further values, by metric name with labels; those of one metric stand together
  static func text(_ handles: [WorkerHandle], gauges: [(name: String, value: Double)]) -> String {
    let workers = handles.map(\.counters)
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
    text += "# TYPE strait_edge_upstream_cuts_total counter\n"
    for cut in ConnectionCut.allCases where cut.isOfUpstreams {
      let count = workers.reduce(0) { $0 &+ $1.read(upstreamCut: cut) }
      text += "strait_edge_upstream_cuts_total{reason=\"\(cut.word)\"} \(count)\n"
    }
    text += "# TYPE strait_edge_upstream_addresses_refused_total counter\n"
    for refusal in AddressRefusal.allCases {
      let count = workers.reduce(0) { $0 &+ $1.read(addressRefusal: refusal) }
      text += "strait_edge_upstream_addresses_refused_total{reason=\"\(refusal.word)\"} \(count)\n"
    }
    text += "# TYPE strait_edge_answers_total counter\n"
    for status in 100..<600 {
      let count = workers.reduce(0) { $0 &+ $1.read(status: status) }
      if count > 0 { text += "strait_edge_answers_total{status=\"\(status)\"} \(count)\n" }
    }
    let timings = handles.map(\.timings)
    append(&text, "strait_edge_time_to_first_byte_seconds", timings.map(\.firstByte))
    append(&text, "strait_edge_added_latency_seconds", timings.map(\.added))
    append(&text, "strait_edge_loop_turn_seconds", timings.map(\.turn))
    let longest = timings.reduce(0) { max($0, $1.longestTurn.value) }
    text += "# TYPE strait_edge_loop_turn_longest_seconds gauge\n"
    text += "strait_edge_loop_turn_longest_seconds \(Double(longest) / 1_000_000)\n"
    appendPools(&text, handles.flatMap { $0.pools.withLock { $0 } })
    var typed: Substring = ""
    for (name, value) in gauges {
      let metric = name.prefix { $0 != "{" }
      if metric != typed { text += "# TYPE \(metric) \(metric.hasSuffix("_total") ? "counter" : "gauge")\n" }
      typed = metric
      text += "\(name) \(value == .infinity ? "+Inf" : "\(value)")\n"
    }
    return text
  }

  private static func append(_ text: inout String, _ name: String, isGauge: Bool, _ value: UInt64) {
    text += "# TYPE \(name) \(isGauge ? "gauge" : "counter")\n\(name) \(value)\n"
  }

  private static func append(_ text: inout String, _ name: String, _ histograms: [Histogram]) {
    text += "# TYPE \(name) histogram\n"
    var count: UInt64 = 0
    for bucket in 0..<Histogram.buckets {
      count += histograms.reduce(0) { $0 &+ $1.read(bucket) }
      let end = Histogram.end(bucket).map { String(Double($0) / 1_000_000) } ?? "+Inf"
      text += "\(name)_bucket{le=\"\(end)\"} \(count)\n"
    }
    let sum = histograms.reduce(0) { $0 &+ $1.sumMicroseconds }
    text += "\(name)_sum \(Double(sum) / 1_000_000)\n\(name)_count \(count)\n"
  }

  private static func appendPools(_ text: inout String, _ states: [PoolState]) {
    let kinds: [(name: String, value: (PoolState) -> Int)] = [
      ("strait_edge_upstream_connections", { $0.connections }),
      ("strait_edge_upstream_connections_idle", { $0.idle }),
      ("strait_edge_upstream_requests_waiting", { $0.waiting }),
    ]
    let upstreams = Set(states.map(\.upstream)).sorted()
    for kind in kinds {
      text += "# TYPE \(kind.name) gauge\n"
      for upstream in upstreams {
        let sum = states.reduce(0) { $1.upstream == upstream ? $0 + kind.value($1) : $0 }
        text += "\(kind.name){upstream=\"\(upstream)\"} \(sum)\n"
      }
    }
  }
}
