// A usage record as 184 bytes. Fields stand at fixed offsets, never as Swift happens to lay the struct out in memory.
//
//   0 format version u16 · 2 endpoint u8 · 3 dialect u8 · 4 client protocol u8 · 5 streamed u8 · 6 outcome u8
//   7 attempts u8 · 8 sequence u64 · 16 status u16 · 18 upstream status u16 · 20 usage source u8 · 21 zero
//  24 exchange · 40 team · 56 key · 72 offer · 88 upstream (16 bytes each, high word first)
// 104 started at i64 · 112 duration u64 · 120 first byte u64
// 128 input · 136 cached input · 144 cache write · 152 output · 160 reasoning (u64 each)
// 168 request bytes u64 · 176 response bytes u64

import StraitProtocol

enum RecordCoding {
  static let version: UInt16 = 1

  @inline(__always)
  static func write(_ record: UsageRecord, sequence: UInt64, to payload: UnsafeMutableRawPointer) {
    payload.storeBytes(of: version.littleEndian, as: UInt16.self)
    payload.storeBytes(of: record.endpoint.rawValue, toByteOffset: 2, as: UInt8.self)
    payload.storeBytes(of: record.dialect.rawValue, toByteOffset: 3, as: UInt8.self)
    payload.storeBytes(of: record.clientProtocol.rawValue, toByteOffset: 4, as: UInt8.self)
    payload.storeBytes(of: record.streamed ? 1 : 0, toByteOffset: 5, as: UInt8.self)
    payload.storeBytes(of: record.outcome.rawValue, toByteOffset: 6, as: UInt8.self)
    payload.storeBytes(of: record.attempts, toByteOffset: 7, as: UInt8.self)
    payload.storeBytes(of: sequence.littleEndian, toByteOffset: 8, as: UInt64.self)
    payload.storeBytes(of: record.status.littleEndian, toByteOffset: 16, as: UInt16.self)
    payload.storeBytes(of: record.upstreamStatus.littleEndian, toByteOffset: 18, as: UInt16.self)
    payload.storeBytes(of: record.tokens.source.rawValue, toByteOffset: 20, as: UInt8.self)
    write(record.id, to: payload + 24)
    write(record.teamID, to: payload + 40)
    write(record.keyID, to: payload + 56)
    write(record.offerID, to: payload + 72)
    write(record.upstreamID, to: payload + 88)
    payload.storeBytes(of: record.startedAt.littleEndian, toByteOffset: 104, as: Int64.self)
    write(record.durationMicroseconds, to: payload + 112)
    write(record.firstByteMicroseconds, to: payload + 120)
    write(record.tokens.input, to: payload + 128)
    write(record.tokens.cachedInput, to: payload + 136)
    write(record.tokens.cacheWrite, to: payload + 144)
    write(record.tokens.output, to: payload + 152)
    write(record.tokens.reasoning, to: payload + 160)
    write(record.requestBytes, to: payload + 168)
    write(record.responseBytes, to: payload + 176)
  }

  /// - Returns: nil when the payload is of another version, or holds a value that no field can have
  static func read(_ payload: UnsafeRawBufferPointer) -> SpoolEntry? {
    guard payload.count == SpoolFormat.payloadBytes else { return nil }
    guard SpoolFormat.load(payload, 0, as: UInt16.self) == version else { return nil }
    guard let endpoint = Endpoint(rawValue: payload[2]), let dialect = Dialect(rawValue: payload[3]),
      let clientProtocol = ClientProtocol(rawValue: payload[4]), payload[5] <= 1,
      let outcome = ExchangeOutcome(rawValue: payload[6]), let source = UsageSource(rawValue: payload[20])
    else { return nil }
    var record = UsageRecord(
      id: identifier(payload, 24), teamID: identifier(payload, 40), keyID: identifier(payload, 56),
      offerID: identifier(payload, 72), upstreamID: identifier(payload, 88),
      startedAt: SpoolFormat.load(payload, 104, as: Int64.self), endpoint: endpoint,
      clientProtocol: clientProtocol)
    record.dialect = dialect
    record.streamed = payload[5] == 1
    record.outcome = outcome
    record.attempts = payload[7]
    record.status = SpoolFormat.load(payload, 16, as: UInt16.self)
    record.upstreamStatus = SpoolFormat.load(payload, 18, as: UInt16.self)
    record.durationMicroseconds = word(payload, 112)
    record.firstByteMicroseconds = word(payload, 120)
    record.tokens.source = source
    record.tokens.input = word(payload, 128)
    record.tokens.cachedInput = word(payload, 136)
    record.tokens.cacheWrite = word(payload, 144)
    record.tokens.output = word(payload, 152)
    record.tokens.reasoning = word(payload, 160)
    record.requestBytes = word(payload, 168)
    record.responseBytes = word(payload, 176)
    return SpoolEntry(sequence: word(payload, 8), record: record)
  }

  @inline(__always)
  private static func write(_ word: UInt64, to place: UnsafeMutableRawPointer) {
    place.storeBytes(of: word.littleEndian, as: UInt64.self)
  }

  @inline(__always)
  private static func write<Subject>(_ identifier: Identifier<Subject>, to place: UnsafeMutableRawPointer) {
    write(identifier.high, to: place)
    write(identifier.low, to: place + 8)
  }

  private static func word(_ payload: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    SpoolFormat.load(payload, offset, as: UInt64.self)
  }

  private static func identifier<Subject>(
    _ payload: UnsafeRawBufferPointer, _ offset: Int
  ) -> Identifier<Subject> {
    Identifier(high: word(payload, offset), low: word(payload, offset + 8))
  }
}
