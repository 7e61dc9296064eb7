// A usage record as it travels.

import FoundationEssentials
import StraitProtocol

extension WireUsageRecord {
  package init(_ record: UsageRecord) {
    self.init()
    id = Data(record.id.bytes)
    teamID = Data(record.teamID.bytes)
    keyID = Data(record.keyID.bytes)
    offerID = Data(record.offerID.bytes)
    upstreamID = Data(record.upstreamID.bytes)
    startedAt = record.startedAt
    durationMicroseconds = record.durationMicroseconds
    firstByteMicroseconds = record.firstByteMicroseconds
    endpoint = UInt32(record.endpoint.rawValue)
    clientProtocol = UInt32(record.clientProtocol.rawValue)
    streamed = record.streamed
    status = UInt32(record.status)
    upstreamStatus = UInt32(record.upstreamStatus)
    outcome = UInt32(record.outcome.rawValue)
    usageSource = WireUsageSource(record.tokens.source)
    inputTokens = record.tokens.input
    cachedInputTokens = record.tokens.cachedInput
    cacheWriteTokens = record.tokens.cacheWrite
    outputTokens = record.tokens.output
    reasoningTokens = record.tokens.reasoning
    requestBytes = record.requestBytes
    responseBytes = record.responseBytes
    attempts = UInt32(record.attempts)
    dialect = UInt32(record.dialect.rawValue)
  }
}

extension WireUsageSource {
  fileprivate init(_ source: UsageSource) {
    switch source {
    case .none: self = .none
    case .provider: self = .provider
    case .estimated: self = .estimated
    }
  }
}

extension WireUsageBatch {
  /// - Parameter acknowledged: the epoch's watermark as this process knows it
  package init(_ batch: SpoolBatch, acknowledged: UInt64 = 0) {
    self.init()
    acknowledgedSequence = acknowledged
    epoch = batch.epoch
    firstSequence = batch.firstSequence
    records = batch.records.map(WireUsageRecord.init)
  }
}
