// A worker's exchanges: it holds a reference to each from its start until neither session names it. Each knows its place,
// so that adding and removing cost the same however many there are.

struct ExchangeList: ~Copyable {
  private let exchanges = PooledList<Unmanaged<Exchange>>()

  init() {}

  deinit {
    for index in 0..<exchanges.count { exchanges[index].release() }
  }

  var count: Int { exchanges.count }
  var isEmpty: Bool { exchanges.isEmpty }

  subscript(index: Int) -> Exchange { exchanges[index].takeUnretainedValue() }

  /// For what is seldom done.
  var all: [Exchange] { (0..<count).map { self[$0] } }

  func add(_ exchange: Exchange) {
    exchange.slot = exchanges.count
    exchanges.append(Unmanaged.passRetained(exchange))
  }

  /// - Returns: the list's reference, to be released; nil where the exchange has left already
  func remove(_ exchange: Exchange) -> Unmanaged<AnyObject>? {
    let index = exchange.slot
    guard index >= 0 else { return nil }
    let reference = Unmanaged<AnyObject>.fromOpaque(exchanges[index].toOpaque())
    if let moved = exchanges.remove(at: index) { moved._withUnsafeGuaranteedRef { $0.slot = index } }
    exchange.slot = -1
    return reference
  }
}
