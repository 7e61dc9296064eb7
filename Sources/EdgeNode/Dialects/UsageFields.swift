// Token counts as an upstream tells them, before they mean the same thing in every dialect.

import StraitProtocol

/// The counts of one `usage` object, or of several laid over each other. A count that was not told is not zero.
struct UsageFields: Sendable {
  private var told: UInt8 = 0
  private var input: UInt64 = 0
  private var output: UInt64 = 0
  private var cachedInput: UInt64 = 0
  private var cacheRead: UInt64 = 0
  private var cacheWrite: UInt64 = 0
  private var reasoning: UInt64 = 0

  private static let inputBit: UInt8 = 1
  private static let outputBit: UInt8 = 2
  private static let cachedInputBit: UInt8 = 4
  private static let cacheReadBit: UInt8 = 8
  private static let cacheWriteBit: UInt8 = 16
  private static let reasoningBit: UInt8 = 32

  /// Something is told of what went in or came out.
  var isTelling: Bool { told & (Self.inputBit | Self.outputBit) != 0 }

  mutating func set(_ node: JSONNode, _ count: UInt64) {
    switch node {
    case .inputTokens: (input, told) = (count, told | Self.inputBit)
    case .outputTokens: (output, told) = (count, told | Self.outputBit)
    case .cachedTokens: (cachedInput, told) = (count, told | Self.cachedInputBit)
    case .cacheReadTokens: (cacheRead, told) = (count, told | Self.cacheReadBit)
    case .cacheWriteTokens: (cacheWrite, told) = (count, told | Self.cacheWriteBit)
    case .reasoningTokens: (reasoning, told) = (count, told | Self.reasoningBit)
    default: break
    }
  }

  /// Takes over what the later object tells and keeps the rest: Anthropic's counts are cumulative and come in parts.
  mutating func overwrite(with later: UsageFields) {
    if later.told & Self.inputBit != 0 { input = later.input }
    if later.told & Self.outputBit != 0 { output = later.output }
    if later.told & Self.cachedInputBit != 0 { cachedInput = later.cachedInput }
    if later.told & Self.cacheReadBit != 0 { cacheRead = later.cacheRead }
    if later.told & Self.cacheWriteBit != 0 { cacheWrite = later.cacheWrite }
    if later.told & Self.reasoningBit != 0 { reasoning = later.reasoning }
    told |= later.told
  }

  /// The counts in the one meaning that records have: `input` holds all input, `output` all output.
  func counts(of dialect: Dialect) -> TokenCounts {
    var counts = TokenCounts()
    guard isTelling else { return counts }
    counts.source = .provider
    counts.output = output
    counts.cacheWrite = cacheWrite
    counts.reasoning = reasoning
    switch dialect {
    case .openAI:
      counts.input = input
      counts.cachedInput = cachedInput
    case .anthropic:
      // There, `input_tokens` leaves out what was read from or written to the cache.
      counts.input = saturatingSum(saturatingSum(input, cacheRead), cacheWrite)
      counts.cachedInput = cacheRead
    }
    return counts
  }

  private func saturatingSum(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let (sum, overflows) = left.addingReportingOverflow(right)
    return overflows ? .max : sum
  }
}
