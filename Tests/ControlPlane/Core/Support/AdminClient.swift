// The admin API from outside: HTTPS with the test's own authority, JSON in and out.

import AdminAPI
import AsyncHTTPClient
import ControlPlaneCore
import Foundation
import NIOCore
import NIOSSL

struct AdminAnswer: Sendable {
  let status: Int
  let body: Data

  func document<Document: Decodable>(_ type: Document.Type = Document.self) throws -> Document {
    try AdminJSON.decode(type, from: body)
  }

  var error: AdminErrorBody.Detail? {
    do { return try document(AdminErrorBody.self).error } catch { return nil }
  }
}

final class AdminClient: Sendable {
  private let client: HTTPClient
  private let base: String
  private let token: String?

  init(_ running: RunningControlPlane, token: String?) throws {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.trustRoots = .certificates([
      try NIOSSLCertificate(bytes: running.adminAuthority.certificate.derBytes(), format: .der)
    ])
    client = HTTPClient(configuration: HTTPClient.Configuration(tlsConfiguration: tls))
    base = "https://localhost:\(running.ports.admin)"
    self.token = token
  }

  func send(_ method: String, _ path: String, raw: Data? = nil) async throws -> AdminAnswer {
    var request = HTTPClientRequest(url: base + path)
    request.method = .RAW(value: method)
    if let token { request.headers.add(name: "authorization", value: "Bearer \(token)") }
    if let raw { request.body = .bytes(ByteBuffer(bytes: raw)) }
    let response = try await client.execute(request, timeout: .seconds(60))
    let body = try await response.body.collect(upTo: 8 << 20)
    return AdminAnswer(status: Int(response.status.code), body: Data(body.readableBytesView))
  }

  func send(_ method: String, _ path: String, _ body: some Encodable) async throws -> AdminAnswer {
    try await send(method, path, raw: try AdminJSON.encode(body))
  }

  func close() async throws { try await client.shutdown() }
}

/// Runs `body` as the first operator.
func asOperator<Value: Sendable>(
  of running: RunningControlPlane, token: String?? = nil, _ body: (AdminClient) async throws -> Value
) async throws -> Value {
  let client = try AdminClient(running, token: try token ?? running.operatorToken())
  do {
    let value = try await body(client)
    try await client.close()
    return value
  } catch {
    try await client.close()
    throw error
  }
}
