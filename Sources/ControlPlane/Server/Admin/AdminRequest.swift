// A request of an operator who has been recognised: no handler runs without one.

import AdminAPI
import Foundation
import Hummingbird
import Postgres

struct AdminRequest: Sendable {
  /// Who asks. Only `authenticate` makes one.
  let actor: Actor
  private let request: Request
  private let parameters: Parameters

  static let maximumBodyBytes = 1 << 20

  /// - Throws: `Refusal` of kind `unauthorised` without a good operator token
  static func authenticate(
    _ request: Request, parameters: Parameters, pool: PostgresPool
  ) async throws -> AdminRequest {
    let hint =
      "send `authorization: Bearer <operator token>`; the first is in the data directory's operator-token file"
    guard let header = request.headers[.authorization] else {
      throw Refusal(.unauthorised, "no operator token was given", hint: hint)
    }
    let parts = header.split(separator: " ", omittingEmptySubsequences: true)
    guard parts.count == 2, parts[0].lowercased() == "bearer",
      let token = BearerToken(parts[1], for: .operate),
      let actor = try await OperatorTokenStore.actor(for: token.digest, on: pool)
    else { throw Refusal(.unauthorised, "the operator token is not valid", hint: hint) }
    return AdminRequest(actor: actor, request: request, parameters: parameters)
  }

  func document<Document: RequestDocument>(_ type: Document.Type = Document.self) async throws -> Document {
    let buffer = try await request.body.collect(upTo: Self.maximumBodyBytes)
    return try StrictJSON.decode(type, from: Data(buffer.readableBytesView))
  }

  func parameter(_ name: String) throws -> String {
    try parameters.require(name)
  }

  /// The query's parameters.
  /// - Throws: `Refusal` where one is not among `known`, or comes twice
  func query(known: [String]) throws(Refusal) -> [String: String] {
    var values: [String: String] = [:]
    for (name, value) in request.uri.queryParameters {
      guard known.contains(String(name)) else {
        throw .invalid(
          "unknown query parameter \(quoted(String(name)))",
          hint: "known ones are \(known.joined(separator: ", "))")
      }
      guard values.updateValue(String(value), forKey: String(name)) == nil else {
        throw .invalid("query parameter \(name) is given twice", hint: "keep one of the two")
      }
    }
    return values.filter { !$0.value.isEmpty }
  }
}
