import Postgres
import TestSupport
import Testing

@Suite("Parameters and cells")
struct ValueTests {
  /// Sends a value through the server and back.
  private func roundTrip<Value: PostgresEncodable & PostgresDecodable>(
    _ value: Value, _ statement: Statement, on pool: PostgresPool
  ) async throws -> Value {
    try await pool.query(statement, value).single().get("value")
  }

  @Test("integers of all sizes come back as they were sent")
  func integers() async throws {
    let pool = try await freshPool()
    for value: Int64 in [.min, -1, 0, 1, .max] {
      #expect(try await roundTrip(value, "SELECT $1 AS value", on: pool) == value)
    }
    for value: Int32 in [.min, -1, 0, 1, .max] {
      #expect(try await roundTrip(value, "SELECT $1 AS value", on: pool) == value)
    }
    #expect(try await roundTrip(42, "SELECT $1 AS value", on: pool) == 42)
    let row = try await pool.query("SELECT 7::int2 AS small, 8::oid AS oid").single()
    #expect(try row.get("small", as: Int32.self) == 7)
    #expect(try row.get("oid", as: Int64.self) == 8)
  }

  @Test("a whole numeric, such as a sum of bigints, reads as an integer up to its range and not beyond")
  func numerics() async throws {
    let pool = try await freshPool()
    let row = try await pool.query(
      """
      SELECT sum(n) AS sum, 0::numeric AS zero, 100000000::numeric AS round, -12345678901::numeric AS negative,
        9223372036854775807::numeric AS largest, 9223372036854775808::numeric AS larger, 1.5::numeric AS fraction,
        0.00001::numeric AS tiny, 'NaN'::numeric AS nan, 1e100::numeric AS huge
      FROM (VALUES (9000000000000000000::bigint), (1)) AS numbers (n)
      """
    ).single()
    #expect(try row.get("sum", as: Int64.self) == 9_000_000_000_000_000_001)
    #expect(try row.get("zero", as: Int64.self) == 0)
    #expect(try row.get("round", as: Int64.self) == 100_000_000)
    #expect(try row.get("negative", as: Int64.self) == -12_345_678_901)
    #expect(try row.get("largest", as: Int64.self) == .max)
    for column in ["larger", "fraction", "tiny", "nan", "huge"] {
      #expect(throws: PostgresDecodingError.self, "\(column)") { try row.get(column, as: Int64.self) }
    }
  }

  @Test("text of every kind comes back as it was sent")
  func text() async throws {
    let pool = try await freshPool()
    for value in [
      "", "plain", "it's \"quoted\" \\ $1 %s", "žluťoučký 🐎\u{301}", String(repeating: "x", count: 1 << 20),
    ] {
      #expect(try await roundTrip(value, "SELECT $1::text AS value", on: pool) == value)
    }
  }

  @Test("a NUL in text is refused before it is sent, alone and in an array")
  func nul() async throws {
    let pool = try await freshPool()
    let alone = await databaseError { try await pool.query("SELECT $1::text", "a\0b") }
    #expect(alone?.kind == .usage)
    #expect(alone?.description.contains("$1") == true)
    let inArray = await databaseError { try await pool.query("SELECT $1::int8, $2", 1, ["a", "b\0"]) }
    #expect(inArray?.description.contains("$2") == true)
  }

  @Test("bytes, NUL among them, come back as they were sent")
  func bytes() async throws {
    let pool = try await freshPool()
    let all = (0...255).map(UInt8.init)
    for value in [[], [0], all] {
      #expect(try await roundTrip(value, "SELECT $1 AS value", on: pool) == value)
    }
  }

  @Test("booleans, floating-point numbers and identifiers come back as they were sent")
  func others() async throws {
    let pool = try await freshPool()
    #expect(try await roundTrip(true, "SELECT $1 AS value", on: pool))
    #expect(try await roundTrip(false, "SELECT $1 AS value", on: pool) == false)
    #expect(try await roundTrip(0.1, "SELECT $1 AS value", on: pool) == 0.1)
    let id = PostgresUUID(high: 0x0192_0000_0000_7123, low: 0x8456_0000_0000_0001)
    #expect(try await roundTrip(id, "SELECT $1 AS value", on: pool) == id)
    let text = try await pool.query("SELECT $1::text AS value", id).single().get("value", as: String.self)
    #expect(text == "01920000-0000-7123-8456-000000000001")
  }

  @Test("a moment keeps its microseconds, and the server reads it as the same moment")
  func timestamps() async throws {
    let pool = try await freshPool()
    // 2026-11-21 08:53:00.123456 UTC is 1,795,251,180.123456 s after 1970 (20,778 days and 31,980.123456 s).
    let moment = PostgresTimestamp(microseconds: 1_795_251_180_123_456)
    #expect(try await roundTrip(moment, "SELECT $1 AS value", on: pool) == moment)
    let text = try await pool.query("SELECT $1::text AS value", moment).single().get("value", as: String.self)
    #expect(text == "2026-11-21 08:53:00.123456+00")
    let early = PostgresTimestamp(microseconds: -1)
    #expect(try await roundTrip(early, "SELECT $1 AS value", on: pool) == early)
    let row = try await pool.query("SELECT 'infinity'::timestamptz AS end, '-infinity'::timestamptz AS start")
      .single()
    #expect(throws: PostgresDecodingError.self) { try row.get("end", as: PostgresTimestamp.self) }
    #expect(throws: PostgresDecodingError.self) { try row.get("start", as: PostgresTimestamp.self) }
  }

  @Test("NULL goes in and comes out as nil, and is refused where a value is wanted")
  func null() async throws {
    let pool = try await freshPool()
    try await pool.query(
      "CREATE TABLE things (number bigint, name text, at timestamptz, id uuid, data bytea)")
    try await pool.query(
      "INSERT INTO things VALUES ($1, $2, $3, $4, $5)", Int64?.none, String?.none, PostgresTimestamp?.none,
      PostgresUUID?.none, [UInt8]?.none)
    let row = try await pool.query("SELECT * FROM things").single()
    #expect(try row.get("number", as: Int64?.self) == nil)
    #expect(try row.get("name", as: String?.self) == nil)
    #expect(try row.get("at", as: PostgresTimestamp?.self) == nil)
    #expect(try row.get("id", as: PostgresUUID?.self) == nil)
    #expect(try row.get("data", as: [UInt8]?.self) == nil)
    #expect(throws: PostgresDecodingError.self) { try row.get("number", as: Int64.self) }
  }

  @Test("arrays travel as one parameter for bulk inserts, NULL and empty ones included")
  func arrays() async throws {
    let pool = try await freshPool()
    let numbers: [Int64?] = [1, nil, -3]
    let names = ["a", "", "ž"]
    let data: [[UInt8]] = [[0, 1], [], [255]]
    let ids = [1, 2, 3].map { PostgresUUID(high: $0, low: 0) }
    let moments = [0, 1, -1].map { PostgresTimestamp(microseconds: $0) }
    let rows = try await pool.query(
      "SELECT * FROM unnest($1, $2, $3, $4, $5) AS given (number, name, data, id, moment)",
      numbers, names, data, ids, moments)
    #expect(try rows.map { try $0.get("number", as: Int64?.self) } == numbers)
    #expect(try rows.map { try $0.get("name", as: String.self) } == names)
    #expect(try rows.map { try $0.get("data", as: [UInt8].self) } == data)
    #expect(try rows.map { try $0.get("id", as: PostgresUUID.self) } == ids)
    #expect(try rows.map { try $0.get("moment", as: PostgresTimestamp.self) } == moments)
    #expect(try await roundTrip(numbers, "SELECT $1 AS value", on: pool) == numbers)
    #expect(try await roundTrip([String](), "SELECT $1 AS value", on: pool).isEmpty)
    #expect(try await roundTrip([true, false], "SELECT $1 AS value", on: pool) == [true, false])
    let grid = try await pool.query("SELECT ARRAY[[1,2],[3,4]]::int8[] AS value").single()
    #expect(throws: PostgresDecodingError.self) { try grid.get("value", as: [Int64].self) }
  }

  @Test("json and enums go through String")
  func inferredTypes() async throws {
    let pool = try await freshPool()
    try await pool.query("CREATE TYPE mood AS ENUM ('glad', 'sad')")
    try await pool.query("CREATE TABLE notes (document jsonb, mood mood, address inet)")
    try await pool.query("INSERT INTO notes VALUES ($1, $2, $3)", #"{"a": 1}"#, "glad", "192.0.2.1")
    let row = try await pool.query("SELECT document, mood, host(address) AS host FROM notes").single()
    #expect(try row.get("document", as: String.self) == #"{"a": 1}"#)
    #expect(try row.get("mood", as: String.self) == "glad")
    #expect(try row.get("host", as: String.self) == "192.0.2.1")
  }

  @Test("a cell of another type is refused by name")
  func mismatch() async throws {
    let pool = try await freshPool()
    let row = try await pool.query("SELECT 1::int8 AS number, 'x' AS name, 5000000000 AS large").single()
    #expect(throws: PostgresDecodingError.self) { try row.get("number", as: String.self) }
    #expect(throws: PostgresDecodingError.self) { try row.get("name", as: Int64.self) }
    #expect(throws: PostgresDecodingError.self) { try row.get("large", as: Int32.self) }
    #expect(throws: PostgresDecodingError.self) { try row.get("missing", as: Int64.self) }
    #expect(throws: PostgresDecodingError.self) { try row.get(3, as: Int64.self) }
    #expect(try row.get(0, as: Int64.self) == 1)
  }

  @Test("counts the rows that a statement changed")
  func affectedCount() async throws {
    let pool = try await freshPool()
    try await pool.query("CREATE TABLE numbers (n bigint)")
    #expect(try await pool.execute("INSERT INTO numbers SELECT generate_series(1, 5)") == 5)
    #expect(try await pool.execute("UPDATE numbers SET n = n + 1 WHERE n > $1", 3) == 2)
    #expect(try await pool.execute("DELETE FROM numbers WHERE n < $1", 0) == 0)
    let returned = try await pool.query("DELETE FROM numbers RETURNING n")
    #expect(returned.count == 5 && returned.affectedCount == 5)
  }

  @Test("an attempt at injection stays a value")
  func injection() async throws {
    let pool = try await freshPool()
    try await pool.query("CREATE TABLE teams (name text)")
    let attempt = "'); DROP TABLE teams; --"
    try await pool.query("INSERT INTO teams VALUES ($1)", attempt)
    #expect(try await pool.query("SELECT name FROM teams WHERE name = $1", attempt).count == 1)
    // The control: the same text as a part of a statement does its harm.
    let unsafe = Statement(generatedFromTrustedPartsOnly: "INSERT INTO teams VALUES ('\(attempt)")
    try await pool.withConnection { try await $0.runScript(unsafe) }
    #expect(await databaseError { try await pool.query("SELECT name FROM teams") }?.sqlState == "42P01")
  }
}
