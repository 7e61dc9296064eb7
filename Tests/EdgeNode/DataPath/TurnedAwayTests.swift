import EdgeDataPath
import Glibc
import Testing

@Suite struct TurnedAwayTests {
  /// What `TurnedAway` keeps at the most, for how long, and how many it tells at once.
  private let capacity = 256
  private let delay: Int64 = 250_000
  private let perTurn = 8

  private func pair() -> (kept: Int32, other: Int32) {
    var ends: [Int32] = [-1, -1]
    #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
    return (ends[0], ends[1])
  }

  /// Whether the other end of the socket has been closed.
  private func isTold(_ other: Int32) -> Bool {
    var byte: UInt8 = 0
    return recv(other, &byte, 1, 0) == 0
  }

  @Test func aClientIsToldAMomentLater() {
    var turnedAway = TurnedAway()
    let client = pair()
    defer { close(client.other) }
    #expect(turnedAway.keep(client.kept, .addressRate, now: 1000) == true)
    turnedAway.reset(now: 1000 + delay - 1)
    #expect(!isTold(client.other))
    turnedAway.reset(now: 1000 + delay)
    #expect(isTold(client.other))
    #expect(turnedAway.isEmpty)
  }

  @Test func fewAreToldAtOnceAndTheOldestFirst() {
    var turnedAway = TurnedAway()
    let clients = (0..<20).map { _ in pair() }
    defer { for client in clients { close(client.other) } }
    for client in clients { #expect(turnedAway.keep(client.kept, .addressOffences, now: 0) == true) }
    turnedAway.reset(now: delay)
    #expect(clients.map { isTold($0.other) } == (0..<20).map { $0 < perTurn })
    turnedAway.resetAll()
    #expect(clients.allSatisfy { isTold($0.other) })
  }

  @Test func whoComesBeyondTheRoomIsNotKept() {
    var turnedAway = TurnedAway()
    for round in 0..<3 {
      let now = Int64(round) * 2 * delay
      let clients = (0..<capacity).map { _ in pair() }
      defer { for client in clients { close(client.other) } }
      for client in clients { #expect(turnedAway.keep(client.kept, .addressConnections, now: now) == true) }
      let next = pair()
      defer { close(next.kept); close(next.other) }
      #expect(turnedAway.keep(next.kept, .addressConnections, now: now) == false)
      while !turnedAway.isEmpty { turnedAway.reset(now: now + delay) }
      #expect(clients.allSatisfy { isTold($0.other) })
    }
  }

  @Test func nobodyIsKeptWhereTheEdgeIsFull() {
    var turnedAway = TurnedAway()
    #expect(turnedAway.keep(-1, .tooManyConnections, now: 0) == false)
  }
}
