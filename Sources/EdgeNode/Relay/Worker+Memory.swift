// What a worker does without when memory is short, and when clients let too much wait.

import CLinux

extension Worker {
  /// A stream that holds less is not worth resetting.
  private static let resetFloorBytes = 4096

  /// Does without what the process can no longer afford.
  func relieve(_ now: Int64) {
    if isFirst { overload.look(now: now) }
    let level = overload.level
    refusesRequests = level >= .refuse
    for listener in listeners { listener.hold(refusesRequests || waitsForPolicy) }
    if level >= .drainIdle { drainIdle() }
    if level == .resetLargest { resetLargest() }
    if isRoomShort { lookAtHoldings() } else { forgetHoldings() }
    if trimsMemory, !heldAnswers.isHalfUsed {
      trimsMemory = false
      strait_pool_trim()
    }
  }

  private var isRoomShort: Bool { refusesRequests || heldRequests.isHalfUsed || heldAnswers.isHalfUsed }

  private func drainIdle() {
    for index in stride(from: clients.count - 1, through: 0, by: -1) where index < clients.count {
      let connection = clients.clients[index].connection
      if connection.session?.isIdle == true { drain(connection) }
    }
  }

  /// Each worker gives back its share of what is too much, from the streams that hold the most.
  private func resetLargest() {
    var excess = overload.takeShare(of: settings.workers, after: &relievedLook)
    guard excess > 0 else { return }
    let holding = exchanges.all.lazy.map { (exchange: $0, bytes: $0.bufferedBytes) }
      .filter { $0.bytes >= Self.resetFloorBytes }
      .sorted { $0.bytes > $1.bytes }
    for (exchange, bytes) in holding where excess > 0 {
      excess -= bytes
      counters.add(cut: .memory)
      exchange.shed()
    }
  }

  /// Resets streams whose answers wait, those of the connection that lets the most wait first: whoever reads has been
  /// flushed when this is called, at a turn's end without bulk. A worker that holds no more than its part leaves it to the others.
  func resetUnread() {
    let part = heldAnswers.limit / max(1, settings.workers)
    guard heldAnswers.used > part else { return }
    lookAtHoldings()
    var surplus = heldAnswers.used - part * 3 / 4
    var waiting = [ObjectIdentifier: Int]()
    let all = exchanges.all
    for exchange in all { waiting[exchange.clientIdentity, default: 0] += exchange.countedAnswer }
    let holding = all.filter { $0.countedAnswer > 0 && $0.phase != .done }
      .map { (exchange: $0, total: waiting[$0.clientIdentity] ?? 0) }
      .sorted { $0.total > $1.total }
    for (exchange, _) in holding where surplus > 0 {
      surplus -= exchange.countedAnswer
      counters.add(cut: .memory)
      exchange.shed()
    }
    trimsMemory = true
  }
}
