import Postgres
import TestSupport
import Testing

@Suite("COPY")
struct CopyTests {
  private struct Deliberate: Error {}

  /// 100,000 rows (n, n as text or NULL when n is odd).
  private struct Numbers: Sequence, Sendable {
    var count: Int64 = 100_000
    var failsAt: Int64?

    func makeIterator() -> AnyIterator<[any PostgresEncodable]> {
      var n: Int64 = 0
      return AnyIterator {
        n += 1
        return n > count ? nil : [n, n % 2 == 0 ? "number \(n)" : String?.none]
      }
    }
  }

  private static let load: Statement = "COPY numbers (n, name) FROM STDIN (FORMAT binary)"

  private func poolWithNumbers() async throws -> PostgresPool {
    let pool = try await freshPool()
    try await pool.query("CREATE TABLE numbers (n bigint CHECK (n < 1000000), name text)")
    return pool
  }

  private func count(_ pool: PostgresPool) async throws -> Int64 {
    try await pool.query("SELECT count(*) AS count FROM numbers").single().get("count")
  }

  @Test("loads 100,000 rows, and they are the rows that were sent")
  func copyIn() async throws {
    let pool = try await poolWithNumbers()
    let loaded = try await pool.withConnection { try await $0.copyIn(Self.load, rows: Numbers()) }
    #expect(loaded == 100_000)
    let row = try await pool.query(
      "SELECT count(*) AS rows, sum(n) AS sum, count(name) AS names FROM numbers"
    ).single()
    #expect(try row.get("rows", as: Int64.self) == 100_000)
    // 100,000 × 100,001 / 2
    #expect(try row.get("sum", as: Int64.self) == 5_000_050_000)
    #expect(try row.get("names", as: Int64.self) == 50_000)
  }

  @Test("is part of a transaction")
  func inTransaction() async throws {
    let pool = try await poolWithNumbers()
    await #expect(throws: Deliberate.self) {
      try await pool.transaction { transaction in
        try await transaction.copyIn(Self.load, rows: Numbers(count: 10))
        throw Deliberate()
      }
    }
    #expect(try await count(pool) == 0)
  }

  @Test("loads nothing when the sequence throws, and the connection serves on")
  func producerThrows() async throws {
    let pool = try await poolWithNumbers()
    let rows = AsyncThrowingStream<[any PostgresEncodable], any Error> { continuation in
      for row in Numbers(count: 5_000) { continuation.yield(row) }
      continuation.finish(throwing: Deliberate())
    }
    try await pool.withConnection { connection async throws -> Void in
      await #expect(throws: Deliberate.self) { try await connection.copyIn(Self.load, rows: rows) }
      #expect(try await connection.query("SELECT 1").count == 1)
    }
    #expect(try await count(pool) == 0)
  }

  @Test("says why the server refuses a row, early in a long load")
  func serverRefuses() async throws {
    let pool = try await poolWithNumbers()
    try await pool.query("ALTER TABLE numbers ADD CONSTRAINT small CHECK (n < 100)")
    try await pool.withConnection { connection async throws -> Void in
      let error = await databaseError { try await connection.copyIn(Self.load, rows: Numbers()) }
      #expect(error?.kind == .checkViolation)
      #expect(error?.constraint == "small")
      #expect(try await connection.query("SELECT 1").count == 1)
    }
    #expect(try await count(pool) == 0)
  }

  @Test("loads text in chunks, and refuses the format that was not asked for")
  func textChunks() async throws {
    let pool = try await poolWithNumbers()
    let chunks = AsyncStream<[UInt8]> { continuation in
      for chunk in ["1,one\n2,", "two\n3", ",\"th,ree\"\n"] { continuation.yield(Array(chunk.utf8)) }
      continuation.finish()
    }
    try await pool.withConnection { connection async throws -> Void in
      #expect(try await connection.copyIn("COPY numbers FROM STDIN (FORMAT csv)", textChunks: chunks) == 3)
      let wrong = await databaseError {
        try await connection.copyIn("COPY numbers FROM STDIN", rows: Numbers())
      }
      #expect(wrong?.kind == .usage)
      let none = await databaseError { try await connection.copyIn("SELECT 1", rows: Numbers()) }
      #expect(none?.kind == .usage)
      #expect(try await connection.query("SELECT name FROM numbers WHERE n = 3").single().get(0) == "th,ree")
    }
  }

  @Test("reads 100,000 rows out as they come")
  func copyOut() async throws {
    let pool = try await freshPool()
    let (rows, sum) = try await pool.withConnection { connection in
      try await connection.withCopyOut("COPY (SELECT n FROM generate_series(1, 100000) AS n) TO STDOUT") {
        lines in
        var rows = 0
        var sum = 0
        for try await line in lines {
          rows += 1
          sum += Int(String(decoding: line.dropLast(), as: UTF8.self)) ?? 0
        }
        return (rows, sum)
      }
    }
    #expect(rows == 100_000)
    #expect(sum == 5_000_050_000)
  }

  @Test("stops the server when the reader has enough or fails, and the connection serves on")
  func copyOutStopsEarly() async throws {
    let pool = try await freshPool()
    try await pool.withConnection { connection async throws -> Void in
      let first = try await connection.withCopyOut("COPY (SELECT generate_series(1, 1000000000)) TO STDOUT") {
        lines in
        for try await line in lines { return line }
        return []
      }
      #expect(first == Array("1\n".utf8))
      await #expect(throws: Deliberate.self) {
        try await connection.withCopyOut("COPY (SELECT generate_series(1, 1000000000)) TO STDOUT") { _ in
          throw Deliberate()
        }
      }
      #expect(try await connection.query("SELECT 1").count == 1)
    }
  }

  @Test("an error in the middle of reading out reaches the reader")
  func copyOutFails() async throws {
    let pool = try await freshPool()
    let error = await databaseError {
      try await pool.withConnection { connection in
        try await connection.withCopyOut(
          "COPY (SELECT 1 / (5 - n) FROM generate_series(1, 9) AS n) TO STDOUT"
        ) {
          for try await _ in $0 {}
        }
      }
    }
    #expect(error?.sqlState == "22012")
  }
}
