// Writes a fault in the client's dialect: as the body of an answer, or as the event that ends a stream.

import StraitProtocol

package enum ErrorBody {
  /// How much of a name that a client sent is repeated to it.
  private static let nameLimit = 128

  /// Appends the body of an error answer.
  package static func append(
    _ fault: EdgeFault, dialect: Dialect, requestID: ExchangeID, into out: borrowing ByteQueue
  ) {
    switch dialect {
    case .openAI:
      out.append("{\"error\":{\"message\":\"")
      appendMessage(fault, into: out)
      out.append("\",\"type\":\"")
      out.append(fault.openAIType)
      out.append("\",\"param\":")
      appendNullable(fault.parameter, into: out)
      out.append(",\"code\":")
      appendNullable(fault.code, into: out)
      out.append("}}")
    case .anthropic:
      out.append("{\"type\":\"error\",\"error\":{\"type\":\"")
      out.append(fault.anthropicType)
      out.append("\",\"message\":\"")
      appendMessage(fault, into: out)
      out.append("\"},\"request_id\":\"")
      out.append(string: requestID.description)
      out.append("\"}")
    }
  }

  /// Appends the event that tells a client that its stream ends here, and why.
  package static func appendEvent(
    _ fault: EdgeFault, dialect: Dialect, endpoint: Endpoint, requestID: ExchangeID,
    into out: borrowing ByteQueue
  ) {
    switch (dialect, endpoint) {
    case (.anthropic, _):
      out.append("event: error\ndata: ")
      append(fault, dialect: dialect, requestID: requestID, into: out)
    case (.openAI, .responses):
      // The Responses API has a typed event of its own, flat.
      out.append("event: error\ndata: {\"type\":\"error\",\"code\":")
      appendNullable(fault.code, into: out)
      out.append(",\"message\":\"")
      appendMessage(fault, into: out)
      out.append("\",\"param\":null}")
    case (.openAI, _):
      out.append("data: ")
      append(fault, dialect: dialect, requestID: requestID, into: out)
    }
    out.append("\n\n")
  }

  private static func appendNullable(_ text: StaticString?, into out: borrowing ByteQueue) {
    guard let text else { return out.append("null") }
    out.append(byte: UInt8(ascii: "\""))
    out.append(text)
    out.append(byte: UInt8(ascii: "\""))
  }

  // MARK: Words

  /// What failed, on what, why, and what to do next.
  private static func appendMessage(_ fault: EdgeFault, into out: borrowing ByteQueue) {
    switch fault {
    case .bodyTooLarge(let limit):
      out.append(string: "the request's body is larger than \(limit) bytes; send less in one request")
    case .body(let fault): appendBodyMessage(fault, into: out)
    case .methodNotAllowed(let allow):
      out.append("this path does not take the request's method; use ")
      out.append(allow)
    case .modelNotFound(let name):
      out.append("the model '")
      JSONEscaping.append(untrusted: name, limit: nameLimit, into: out)
      out.append("' does not exist or this key may not use it; GET /v1/models lists the models that it may")
    case .modelInOtherDialect(let name):
      out.append("the model '")
      JSONEscaping.append(untrusted: name, limit: nameLimit, into: out)
      out.append("' is not served in this API's dialect; use the path of the other dialect or another model")
    default: out.append(plainMessage(fault))
    }
  }

  private static func appendBodyMessage(_ fault: BodyFault, into out: borrowing ByteQueue) {
    switch fault.kind {
    case .invalidJSON:
      out.append("the request's body is not valid JSON: ")
      out.append(fault.reason)
      out.append(string: " at byte \(fault.offset)")
    case .missingParameter:
      out.append("the request lacks a parameter: ")
      out.append(fault.reason)
    case .invalidParameter:
      out.append("the request has an invalid value")
      if fault.parameter.utf8CodeUnitCount > 0 {
        out.append(" in '")
        out.append(fault.parameter)
        out.append("'")
      }
      out.append(": ")
      out.append(fault.reason)
    }
  }

  private static func plainMessage(_ fault: EdgeFault) -> StaticString {
    switch fault {
    case .badRequest: "the request's head is malformed; check the client that made it"
    case .headTooLarge: "the request's header fields are too many or too large; send less in headers"
    case .missingKey: "no API key was sent; send one as 'authorization: Bearer KEY' or as 'x-api-key: KEY'"
    case .malformedKey: "the API key is not a whole key of this service; check that all of it was copied"
    case .unknownKey:
      "the API key is not valid: it does not exist, has expired or was revoked; use another one"
    case .unknownPath: "nothing is served at this path; check the base URL and the path"
    case .unsupportedContentType: "the request's content type is not supported; send application/json"
    case .unsupportedContentEncoding:
      "the request's content encoding is not supported; send the body uncompressed"
    case .requestTimeout: "the request's body did not arrive in time; send it again without pauses"
    case .noOffer: "no upstream can serve this model at the moment; try again shortly"
    case .upstreamUnreachable: "the upstream could not be reached; try again shortly"
    case .upstreamTimeout: "the upstream did not answer in time; try again"
    case .upstreamCut: "the upstream's answer ended before it was whole; what came so far may be incomplete"
    case .upstreamMalformed: "the upstream's answer was malformed; what came so far may be incomplete"
    case .exchangeTimeout: "the answer took longer than this edge allows; ask for less in one request"
    case .overloaded: "this edge is at its capacity; try again shortly"
    case .draining: "this edge is about to stop; try again on another connection"
    case .notReady: "this edge has no configuration yet; try again shortly"
    case .staleConfiguration:
      "this edge has not heard from its control plane for longer than your team allows; ask again later, or at another edge"
    case .methodNotAllowed, .bodyTooLarge, .body, .modelNotFound, .modelInOtherDialect: ""
    }
  }
}
