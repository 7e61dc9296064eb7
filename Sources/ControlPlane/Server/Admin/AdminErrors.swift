// The one place where errors become answers of the admin API.

import AdminAPI
import Hummingbird
import Logging
import NIOCore
import Postgres

struct AdminFailure {
  let status: HTTPResponse.Status
  let detail: AdminErrorBody.Detail

  private init(status: HTTPResponse.Status, code: String, message: String, hint: String?) {
    self.status = status
    detail = .init(code: code, message: message, hint: hint)
  }

  /// - Parameter logger: of the request; told of failures that are ours, by kind and never by content
  init(_ error: any Error, logger: Logger) {
    switch error {
    case let refusal as Refusal: self.init(refusal)
    case is NIOTooManyBytesError: self.init(Self.bodyTooLarge)
    case let error as HTTPError where error.status == .contentTooLarge: self.init(Self.bodyTooLarge)
    case let error as HTTPError where error.status.code < 500: self.init(error)
    case let error as PostgresError where Self.meansUnavailable(error):
      logger.warning("the database did not answer", metadata: ["error": "\(error)"])
      let hint = "try again in a moment; `strait doctor` shows whether the database is back"
      self.init(Refusal(.unavailable, "the database does not answer", hint: hint))
    default:
      logger.error("request failed", metadata: ["error": "\(Self.summary(of: error))"])
      self.init(
        status: .internalServerError, code: "internal", message: "the control plane failed at this",
        hint: "its log says why")
    }
  }

  private init(_ refusal: Refusal) {
    let (status, code): (HTTPResponse.Status, String) =
      switch refusal.kind {
      case .invalid: (.badRequest, "invalid_request")
      case .unauthorised: (.unauthorized, "unauthorized")
      case .notFound: (.notFound, "not_found")
      case .conflict: (.conflict, "conflict")
      case .tooLarge: (.contentTooLarge, "invalid_request")
      case .unavailable: (.serviceUnavailable, "unavailable")
      }
    self.init(status: status, code: code, message: refusal.message, hint: refusal.hint)
  }

  private init(_ error: HTTPError) {
    let isMissing = error.status == .notFound
    self.init(
      status: error.status, code: isMissing ? "not_found" : "invalid_request",
      message: isMissing ? "there is no such path, or not with this method" : "the request cannot be read",
      hint: isMissing ? "see the paths in the README; all are below /admin/v1/" : nil)
  }

  private static let bodyTooLarge = Refusal(
    .tooLarge, "the body is larger than \(AdminRequest.maximumBodyBytes) bytes", hint: "send less at a time")

  private static func meansUnavailable(_ error: PostgresError) -> Bool {
    switch error.kind {
    case .connection, .timeout, .poolExhausted, .serialization: true
    default: false
    }
  }

  /// Database errors never hold values; of anything else only the type is told.
  private static func summary(of error: any Error) -> String {
    switch error {
    case let error as PostgresError: error.description
    case let error as PostgresDecodingError: error.description
    case let error as SealFault: error.description
    default: String(describing: type(of: error))
    }
  }

  func response() -> Response {
    var response = jsonResponse(AdminErrorBody(error: detail), status: status)
    if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
    if status == .serviceUnavailable { response.headers[.retryAfter] = "2" }
    return response
  }
}

func jsonResponse(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
  var headers = HTTPFields()
  headers[.contentType] = "application/json; charset=utf-8"
  headers[.cacheControl] = "no-store"
  do {
    let data = try AdminJSON.encode(value)
    return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: data)))
  } catch {
    // The documents hold text and integers only, which always encode.
    return Response(status: .internalServerError)
  }
}

/// Turns whatever is thrown below it into an answer.
struct ErrorMiddleware<Context: RequestContext>: RouterMiddleware {
  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch {
      return AdminFailure(error, logger: context.logger).response()
    }
  }
}
