// Requests to the admin API over verified TLS. Answers are documents or an `OperatorFault`; nothing in between.

import AdminAPI
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import StraitProtocol

package struct AdminClient: Sendable {
  package let settings: ConnectionSettings
  private let http: HTTPClient
  private let token: Secret

  /// The longest answer that is read, and how long each step may take.
  private static let maximumAnswerBytes = 64 << 20
  private static let connectTimeout = TimeAmount.seconds(5)
  private static let requestTimeout = TimeAmount.seconds(30)

  /// Runs the body with a client and closes its connections afterwards.
  package static func connected<Result: Sendable>(
    to settings: ConnectionSettings, _ body: (AdminClient) async throws -> Result
  ) async throws -> Result {
    let token = try settings.readToken()
    let http = HTTPClient(
      eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: try configuration(settings))
    let outcome: Swift.Result<Result, any Error>
    do {
      outcome = .success(try await body(AdminClient(settings: settings, http: http, token: token)))
    } catch {
      outcome = .failure(error)
    }
    try await http.shutdown()
    return try outcome.get()
  }

  /// Whether the CA file can be used, without a connection.
  package static func checkTrust(_ settings: ConnectionSettings) throws(OperatorFault) {
    _ = try configuration(settings)
  }

  private static func configuration(_ settings: ConnectionSettings) throws(OperatorFault)
    -> HTTPClient.Configuration
  {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.minimumTLSVersion = .tlsv12
    if let path = settings.caFile {
      // A private CA stands instead of the system's, not beside them: it is the narrower trust.
      do {
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(path))
      } catch {
        throw OperatorFault(
          "could not read the CA file \(path) of \(settings.source)",
          next: "check that it exists and holds certificates in PEM form")
      }
    }
    var configuration = HTTPClient.Configuration(
      tlsConfiguration: tls,
      // A redirect could carry the token to another place.
      redirectConfiguration: .disallow,
      timeout: .init(connect: connectTimeout, read: requestTimeout))
    configuration.httpVersion = .http1Only
    // Trying again until the time is up would turn "connection refused" into a wait.
    configuration.connectionPool.retryConnectionEstablishment = false
    return configuration
  }

  // MARK: Requests

  package func get<Document: Decodable>(
    _ route: String, query: [(name: String, value: String?)] = []
  ) async throws(OperatorFault) -> Document {
    let items = query.compactMap { item in
      item.value.map { "\(item.name)=\(Self.encoded($0))" }
    }
    let path = items.isEmpty ? route : route + "?" + items.joined(separator: "&")
    return try await send(.GET, path, body: nil)
  }

  package func post<Document: Decodable>(
    _ route: String, _ document: some Encodable
  ) async throws(OperatorFault) -> Document {
    try await send(.POST, route, body: try Self.encode(document))
  }

  /// Asks for something to be done that takes no document.
  package func post<Document: Decodable>(_ route: String) async throws(OperatorFault) -> Document {
    try await send(.POST, route, body: nil)
  }

  package func put<Document: Decodable>(
    _ route: String, _ document: some Encodable
  ) async throws(OperatorFault) -> Document {
    try await send(.PUT, route, body: try Self.encode(document))
  }

  package func put<Document: Decodable>(
    _ route: String, id: String, _ document: some Encodable
  ) async throws(OperatorFault) -> Document {
    try await put("\(route)/\(Self.encoded(id))", document)
  }

  package func get<Document: Decodable>(_ route: String, id: String) async throws(OperatorFault) -> Document {
    try await get("\(route)/\(Self.encoded(id))")
  }

  package func delete<Document: Decodable>(_ route: String, id: String) async throws(OperatorFault)
    -> Document
  {
    try await send(.DELETE, "\(route)/\(Self.encoded(id))", body: nil)
  }

  /// Asks without a token, for the health checks.
  /// - Returns: the status code
  package func probe(_ route: String) async throws(ConnectionFault) -> Int {
    do {
      return Int(try await http.execute(request(.GET, route), timeout: Self.requestTimeout).status.code)
    } catch {
      throw ConnectionFault(error)
    }
  }

  private func send<Document: Decodable>(
    _ method: HTTPMethod, _ path: String, body: Data?
  ) async throws(OperatorFault) -> Document {
    var request = request(method, path)
    request.headers.add(name: "authorization", value: "Bearer \(token.text)")
    if let body {
      request.headers.add(name: "content-type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body))
    }
    let answer: AdminAnswer
    do {
      let response = try await http.execute(request, timeout: Self.requestTimeout)
      let bytes = try await response.body.collect(upTo: Self.maximumAnswerBytes)
      answer = AdminAnswer(
        status: Int(response.status.code), contentType: response.headers.first(name: "content-type"),
        body: Data(bytes.readableBytesView))
    } catch {
      throw ConnectionFault(error).fault(settings)
    }
    return try answer.document(from: settings)
  }

  private func request(_ method: HTTPMethod, _ path: String) -> HTTPClientRequest {
    var request = HTTPClientRequest(url: settings.address.description + path)
    request.method = method
    request.headers.add(name: "accept", value: "application/json")
    request.headers.add(name: "user-agent", value: "strait/\(SoftwareVersion.current)")
    return request
  }

  private static func encode(_ document: some Encodable) throws(OperatorFault) -> Data {
    do {
      return try AdminJSON.encode(document)
    } catch {
      throw OperatorFault("could not write the request as JSON", next: "report this as a fault of strait")
    }
  }

  /// Percent-encoding of everything but unreserved characters (RFC 3986, section 2.3).
  private static func encoded(_ text: String) -> String {
    text.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        String(UnicodeScalar(byte))
      default: (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
      }
    }.joined()
  }
}
