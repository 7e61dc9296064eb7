// From the contract's usage records to records that the store takes. What cannot be read must not hold up what can.

import StraitProtocol

/// A record with its number and what it cost.
package struct PricedRecord: Sendable, Equatable {
  package let sequence: Int64
  package let record: UsageRecord
  package let cost: NanoUSD

  package init(sequence: Int64, record: UsageRecord, cost: NanoUSD) {
    self.sequence = sequence
    self.record = record
    self.cost = cost
  }
}

/// A record that does not fit the schema, kept as numbers for people to look at.
package struct UnreadableRecord: Sendable, Equatable {
  package let sequence: Int64
  package let reason: String
  /// JSON of numbers and of identifiers cut to 16 bytes.
  package let numbers: String

  init(sequence: Int64, reason: String, record: WireUsageRecord) {
    self.sequence = sequence
    self.reason = reason
    let identifiers: [(String, some Collection<UInt8>)] = [
      ("id", record.id), ("team_id", record.teamID), ("key_id", record.keyID), ("offer_id", record.offerID),
      ("upstream_id", record.upstreamID),
    ]
    let counts: [(String, any BinaryInteger)] = [
      ("started_at", record.startedAt), ("duration_microseconds", record.durationMicroseconds),
      ("first_byte_microseconds", record.firstByteMicroseconds), ("endpoint", record.endpoint),
      ("dialect", record.dialect), ("client_protocol", record.clientProtocol), ("status", record.status),
      ("upstream_status", record.upstreamStatus), ("outcome", record.outcome), ("attempts", record.attempts),
      ("usage_source", record.usageSource.rawValue), ("input_tokens", record.inputTokens),
      ("cached_input_tokens", record.cachedInputTokens), ("cache_write_tokens", record.cacheWriteTokens),
      ("output_tokens", record.outputTokens), ("reasoning_tokens", record.reasoningTokens),
      ("request_bytes", record.requestBytes), ("response_bytes", record.responseBytes),
    ]
    let members =
      identifiers.map { "\"\($0.0)\": \"\(hexadecimal($0.1.prefix(16)))\"" }
      + counts.map { "\"\($0.0)\": \($0.1)" }
    numbers = "{\(members.joined(separator: ", "))}"
  }
}

package enum UsageReading {
  /// Partitions are made for what records say, so a broken clock must not make them by the thousand.
  package static let oldestDays: Int64 = 400
  package static let newestDays: Int64 = 2

  case readable(UsageRecord)
  case unreadable(UnreadableRecord)

  package init(_ wire: WireUsageRecord, sequence: Int64, now: Moment) {
    do throws(Unreadable) {
      self = .readable(try Self.read(wire, now: now))
    } catch {
      self = .unreadable(UnreadableRecord(sequence: sequence, reason: error.reason, record: wire))
    }
  }

  private struct Unreadable: Error {
    let reason: String
  }

  private static func read(_ wire: WireUsageRecord, now: Moment) throws(Unreadable) -> UsageRecord {
    let day = Moment(microseconds: wire.startedAt).day
    guard (now.day - oldestDays...now.day + newestDays).contains(day) else {
      throw Unreadable(reason: "started_at is too far from now")
    }
    var record = UsageRecord(
      id: try identifier(wire.id, "id"), teamID: try identifier(wire.teamID, "team_id"),
      keyID: try identifier(wire.keyID, "key_id"), offerID: try identifier(wire.offerID, "offer_id"),
      upstreamID: try identifier(wire.upstreamID, "upstream_id"), startedAt: wire.startedAt,
      endpoint: try member(UInt8(exactly: wire.endpoint).flatMap(Endpoint.init(rawValue:)), "endpoint"),
      clientProtocol: try member(
        UInt8(exactly: wire.clientProtocol).flatMap(ClientProtocol.init(rawValue:)), "client_protocol"))
    record.dialect = try member(UInt8(exactly: wire.dialect).flatMap(Dialect.init(rawValue:)), "dialect")
    record.outcome = try member(
      UInt8(exactly: wire.outcome).flatMap(ExchangeOutcome.init(rawValue:)), "outcome")
    record.status = try member(status(wire.status), "status")
    record.upstreamStatus = try member(status(wire.upstreamStatus), "upstream_status")
    record.attempts = UInt8(clamping: wire.attempts)
    record.streamed = wire.streamed
    record.durationMicroseconds = wire.durationMicroseconds
    record.firstByteMicroseconds = wire.firstByteMicroseconds
    record.requestBytes = wire.requestBytes
    record.responseBytes = wire.responseBytes
    record.tokens = try tokens(wire)
    return record
  }

  private static func tokens(_ wire: WireUsageRecord) throws(Unreadable) -> TokenCounts {
    var tokens = TokenCounts()
    tokens.source = try member(
      UInt8(exactly: wire.usageSource.rawValue).flatMap(UsageSource.init(rawValue:)), "usage_source")
    tokens.input = wire.inputTokens
    tokens.cachedInput = wire.cachedInputTokens
    tokens.cacheWrite = wire.cacheWriteTokens
    tokens.output = wire.outputTokens
    tokens.reasoning = wire.reasoningTokens
    let counts = [tokens.input, tokens.cachedInput, tokens.cacheWrite, tokens.output, tokens.reasoning]
    guard counts.allSatisfy({ $0 <= UInt64(Int64.max) }) else {
      throw Unreadable(reason: "a token count is too large")
    }
    return tokens
  }

  /// A request that never came to an offer has none, but an exchange always has its own.
  private static func identifier<Subject>(
    _ bytes: some Collection<UInt8>, _ name: String
  ) throws(Unreadable) -> Identifier<Subject> {
    if bytes.isEmpty && name != "id" { return .none }
    guard let identifier = Identifier<Subject>(bytes: bytes) else {
      throw Unreadable(reason: "\(name) is not 16 bytes")
    }
    return identifier
  }

  private static func member<Value>(_ value: Value?, _ name: String) throws(Unreadable) -> Value {
    guard let value else { throw Unreadable(reason: "\(name) has an unknown value") }
    return value
  }

  private static func status(_ value: UInt32) -> UInt16? {
    UInt16(exactly: value).flatMap { $0 <= 999 ? $0 : nil }
  }
}
