import Postgres
import TestSupport
import Testing

@Suite("The pool's decisions")
struct PoolStateTests {
  private typealias State = PoolState<Int, UInt64>

  @Test("keep the limit, the order and every slot, over random histories", arguments: 0..<20 as Range<UInt64>)
  func randomHistories(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var state = State(maximumResources: 3, maximumWaiters: 4)
    var waiting: [UInt64] = []
    var lent: [Int?] = []
    var opened = 0
    for id in UInt64(0)..<500 {
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<5: ask(&state, id, &waiting, &lent)
      case 5 where !waiting.isEmpty:
        let leaver = waiting.remove(at: Int.random(in: 0..<waiting.count, using: &generator))
        #expect(state.abandon(id: leaver) == leaver)
        #expect(state.abandon(id: leaver) == nil)
      case 6... where !lent.isEmpty:
        let held = lent.remove(at: Int.random(in: 0..<lent.count, using: &generator))
        opened += 1
        // A connection comes back, a new one where there was none yet, or it has died.
        giveBack(&state, Bool.random(using: &generator) ? held ?? opened : nil, &waiting, &lent)
      default: break
      }
      #expect(lent.count <= 3, "seed \(seed)")
      #expect(state.waiterCount == waiting.count, "seed \(seed)")
      #expect(waiting.isEmpty || lent.count == 3, "somebody waits beside a free slot, seed \(seed)")
    }
  }

  private func ask(_ state: inout State, _ id: UInt64, _ waiting: inout [UInt64], _ lent: inout [Int?]) {
    switch state.ask() {
    case .take(.use(let resource)):
      #expect(!lent.contains(resource), "lent twice")
      lent.append(resource)
    case .take(.open): lent.append(nil)
    case .wait:
      state.enqueue(id, id: id)
      waiting.append(id)
    case .refuse(let error):
      #expect(error.kind == .poolExhausted)
      #expect(waiting.count == 4)
    }
  }

  private func giveBack(
    _ state: inout State, _ resource: Int?, _ waiting: inout [UInt64], _ lent: inout [Int?]
  ) {
    switch state.giveBack(resource) {
    case .hand(let waiter, .use(let handed)):
      #expect(waiter == waiting.removeFirst() && handed == resource)
      lent.append(handed)
    case .hand(let waiter, .open):
      #expect(waiter == waiting.removeFirst() && resource == nil)
      lent.append(nil)
    case .nothing: #expect(waiting.isEmpty)
    case .discard: Issue.record("nothing was closed")
    }
  }

  @Test("closed, it refuses, and discards what comes back")
  func closed() {
    var state = State(maximumResources: 1, maximumWaiters: 1)
    _ = state.ask()
    state.enqueue(7, id: 7)
    let (waiters, idle) = state.close()
    #expect(waiters == [7] && idle.isEmpty)
    if case .refuse = state.ask() {} else { Issue.record("it did not refuse") }
    if case .discard(1) = state.giveBack(1) {} else { Issue.record("it did not discard") }
  }
}
