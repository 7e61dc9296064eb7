// Why an edge gives a client no answer, or no whole one. This file and ErrorBody.swift are the one place where a fault
// becomes a status, a type and words.

import StraitProtocol

/// A fault as the client is told of it. Names that a client sent are lent for the time of the call.
package enum EdgeFault {
  // The client's.
  case badRequest
  case headTooLarge
  case missingKey
  case malformedKey
  case unknownKey
  case unknownPath
  case methodNotAllowed(allow: StaticString)
  case unsupportedContentType
  case unsupportedContentEncoding
  case bodyTooLarge(limit: Int)
  case body(BodyFault)
  case modelNotFound(UnsafeRawBufferPointer)
  case modelInOtherDialect(UnsafeRawBufferPointer)
  case requestTimeout
  // The upstream's.
  case noOffer
  case upstreamUnreachable
  case upstreamTimeout
  case upstreamCut
  case upstreamMalformed
  case exchangeTimeout
  // The edge's.
  case overloaded
  case draining
  /// No configuration has come yet.
  case notReady
  /// The control plane has not been heard for longer than the caller's team allows.
  case staleConfiguration

  /// What a client should do next; `x-should-retry` and `retry-after` follow from it.
  package enum Retry: Sendable, Equatable {
    /// The same request will fail again.
    case never
    /// The SDK's own rules apply.
    case unspecified
    case after(seconds: Int)
  }

  package var retry: Retry {
    switch self {
    case .badRequest, .headTooLarge, .missingKey, .malformedKey, .unknownKey, .unknownPath, .methodNotAllowed,
      .unsupportedContentType, .unsupportedContentEncoding, .bodyTooLarge, .body, .modelNotFound,
      .modelInOtherDialect:
      .never
    // It is unknown how far the upstream came: what it costs to ask again is for the client to judge.
    case .requestTimeout, .upstreamTimeout, .upstreamCut, .upstreamMalformed, .exchangeTimeout: .unspecified
    case .noOffer, .upstreamUnreachable: .after(seconds: 2)
    case .overloaded, .draining, .notReady: .after(seconds: 1)
    // So often an edge hears of the control plane when there is a way.
    case .staleConfiguration: .after(seconds: 5)
    }
  }

  /// The HTTP status, where a head can still be sent.
  package var status: Int {
    switch self {
    case .badRequest, .body: 400
    case .missingKey, .malformedKey, .unknownKey: 401
    case .unknownPath, .modelNotFound, .modelInOtherDialect: 404
    case .methodNotAllowed: 405
    case .requestTimeout: 408
    case .bodyTooLarge: 413
    case .unsupportedContentType, .unsupportedContentEncoding: 415
    case .headTooLarge: 431
    case .upstreamUnreachable, .upstreamCut, .upstreamMalformed: 502
    case .noOffer, .overloaded, .draining, .notReady, .staleConfiguration: 503
    case .upstreamTimeout, .exchangeTimeout: 504
    }
  }

  /// A number for counting, apart from the numbers of `ExchangeOutcome`.
  package var counterIndex: UInt8 {
    switch self {
    case .badRequest: 16
    case .headTooLarge: 17
    case .missingKey: 18
    case .malformedKey: 19
    case .unknownKey: 20
    case .unknownPath: 21
    case .methodNotAllowed: 22
    case .unsupportedContentType: 23
    case .unsupportedContentEncoding: 24
    case .bodyTooLarge: 25
    case .body: 26
    case .modelNotFound: 27
    case .modelInOtherDialect: 28
    case .requestTimeout: 29
    case .noOffer: 30
    case .upstreamUnreachable: 31
    case .upstreamTimeout: 32
    case .upstreamCut: 33
    case .upstreamMalformed: 34
    case .exchangeTimeout: 35
    case .overloaded: 36
    case .draining: 37
    case .notReady: 38
    case .staleConfiguration: 39
    }
  }

  /// The labels that belong to `counterIndex`, from `firstCounterIndex` on.
  package static let firstCounterIndex = 16
  package static let counterWords = [
    "bad_request", "head_too_large", "missing_key", "malformed_key", "unknown_key", "unknown_path",
    "method_not_allowed", "unsupported_content_type", "unsupported_content_encoding", "body_too_large",
    "invalid_body",
    "model_not_found", "model_in_other_dialect", "request_timeout", "no_offer", "upstream_unreachable",
    "upstream_timeout", "upstream_cut", "upstream_malformed", "exchange_timeout", "overloaded", "draining",
    "not_ready", "stale_configuration",
  ]

  // MARK: The dialects' words

  /// OpenAI's `type`.
  var openAIType: StaticString {
    // Nothing is overloaded: the team asked for it.
    if case .staleConfiguration = self { return "api_error" }
    return switch status {
    case 400..<500 where status != 408: "invalid_request_error"
    case 503: "overloaded_error"
    case 408, 504: "timeout_error"
    default: "api_error"
    }
  }

  /// Anthropic's `error.type`.
  var anthropicType: StaticString {
    // Nothing is overloaded: the team asked for it.
    if case .staleConfiguration = self { return "api_error" }
    return switch status {
    case 401: "authentication_error"
    case 404: "not_found_error"
    case 413: "request_too_large"
    case 408, 504: "timeout_error"
    case 400..<500: "invalid_request_error"
    case 503: "overloaded_error"
    default: "api_error"
    }
  }

  /// OpenAI's `code`; nil becomes `null`.
  var code: StaticString? {
    switch self {
    case .badRequest, .headTooLarge: nil
    case .missingKey, .malformedKey, .unknownKey: "invalid_api_key"
    case .unknownPath: "unknown_url"
    case .methodNotAllowed: "method_not_allowed"
    case .unsupportedContentType: "unsupported_content_type"
    case .unsupportedContentEncoding: "unsupported_content_encoding"
    case .bodyTooLarge: "request_too_large"
    case .body(let fault): fault.code
    case .modelNotFound, .modelInOtherDialect: "model_not_found"
    case .requestTimeout: "request_timeout"
    case .noOffer: "no_offer_available"
    case .upstreamUnreachable: "upstream_unreachable"
    case .upstreamTimeout: "upstream_timeout"
    case .upstreamCut: "upstream_cut"
    case .upstreamMalformed: "upstream_malformed"
    case .exchangeTimeout: "exchange_timeout"
    case .overloaded: "overloaded"
    case .draining: "draining"
    case .notReady: "not_ready"
    case .staleConfiguration: "stale_configuration"
    }
  }

  /// OpenAI's `param`; nil becomes `null`.
  var parameter: StaticString? {
    switch self {
    case .body(let fault): fault.parameter.utf8CodeUnitCount == 0 ? nil : fault.parameter
    case .modelNotFound, .modelInOtherDialect: "model"
    default: nil
    }
  }
}

extension BodyFault {
  fileprivate var code: StaticString {
    switch kind {
    case .invalidJSON: "invalid_json"
    case .missingParameter: "missing_required_parameter"
    case .invalidParameter: "invalid_value"
    }
  }
}
