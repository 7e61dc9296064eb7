import Postgres
import TestSupport
import Testing

@Suite("Listening")
struct ListenerTests {
  @Test("says when it listens, then yields each notification in order")
  func notifications() async throws {
    let url = try await PostgresCluster.freshDatabase()
    let pool = try openPool(on: url)
    let listener = PostgresListener(
      try PostgresConfiguration(url: url), channels: ["news", "Mixed \"case\""], logger: quietLogger)
    let events = listener.makeAsyncIterator()
    var iterator = events
    #expect(await iterator.next() == .resumed)
    for n in 1...3 { try await pool.query("SELECT pg_notify('news', $1)", "\(n)") }
    try await pool.query("SELECT pg_notify('other', 'unheard')")
    try await pool.query("SELECT pg_notify($1, $2)", "Mixed \"case\"", "ž 🐎")
    for n in 1...3 { #expect(await iterator.next() == .notification(channel: "news", payload: "\(n)")) }
    #expect(await iterator.next() == .notification(channel: "Mixed \"case\"", payload: "ž 🐎"))
  }

  @Test("a notification of a transaction arrives after its commit and not after its rollback")
  func transactions() async throws {
    let url = try await PostgresCluster.freshDatabase()
    let pool = try openPool(on: url)
    var events = PostgresListener(
      try PostgresConfiguration(url: url), channels: ["news"], logger: quietLogger
    ).makeAsyncIterator()
    #expect(await events.next() == .resumed)
    struct Deliberate: Error {}
    await #expect(throws: Deliberate.self) {
      try await pool.transaction { transaction in
        try await transaction.query("SELECT pg_notify('news', 'rolled back')")
        throw Deliberate()
      }
    }
    try await pool.transaction { try await $0.query("SELECT pg_notify('news', 'committed')") }
    #expect(await events.next() == .notification(channel: "news", payload: "committed"))
  }

  @Test("ends when its task is cancelled")
  func cancellation() async throws {
    let url = try await PostgresCluster.freshDatabase()
    let listener = PostgresListener(
      try PostgresConfiguration(url: url), channels: ["news"], logger: quietLogger)
    let listening = Gate()
    let task = Task {
      var count = 0
      for await _ in listener {
        count += 1
        await listening.open()
      }
      return count
    }
    await listening.pass()
    task.cancel()
    #expect(await task.value == 1)
  }

  @Test("says again that it listens after the server was cut off and came back")
  func restart() async throws {
    let cluster = try await PostgresCluster.start()
    let url = try await cluster.freshDatabase()
    var events = PostgresListener(
      try PostgresConfiguration(url: url), channels: ["news"], logger: quietLogger
    ).makeAsyncIterator()
    #expect(await events.next() == .resumed)
    try await cluster.stop()
    try await cluster.restart()
    #expect(await events.next() == .resumed)
    let pool = try openPool(on: url)
    try await pool.query("SELECT pg_notify('news', 'back')")
    #expect(await events.next() == .notification(channel: "news", payload: "back"))
    cluster.remove()
  }
}
