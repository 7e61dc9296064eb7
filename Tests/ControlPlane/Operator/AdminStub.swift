import Crypto
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import OperatorCommand
import SwiftASN1
import Synchronization
import X509

/// A server in the admin API's place: real sockets and real TLS, answers made up by the test.
struct AdminStub {
  struct Request: Equatable, Sendable {
    var line: String
    var authorization: String?
    var body: String
  }

  enum Answer: Sendable {
    case reply(Int, type: String, body: String, headers: [String: String] = [:])
    /// The connection ends without a word.
    case close

    static func json(_ body: String) -> Answer { .reply(200, type: "application/json", body: body) }
  }

  /// What came in, written by the server's thread and read by the test.
  final class Log: Sendable {
    private let entries = Mutex<[Request]>([])

    var all: [Request] { entries.withLock { $0 } }

    func add(_ request: Request) { entries.withLock { $0.append(request) } }
  }

  let port: Int
  /// The certificate that it shows and that signs itself, in PEM form.
  let certificate: String
  let log: Log

  /// Runs the body beside a server that answers every request alike.
  static func running(
    _ answer: Answer, tls: Bool = true, names: [GeneralName] = [.dnsName("localhost"), loopback],
    _ body: (AdminStub) async throws -> Void
  ) async throws {
    let (certificate, context) = try identity(names)
    let log = Log()
    let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if tls { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
          try pipeline.configureHTTPServerPipeline()
          try pipeline.addHandler(Responder(answer, log))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    var failure: (any Error)?
    do {
      try await body(AdminStub(port: channel.localAddress?.port ?? 0, certificate: certificate, log: log))
    } catch {
      failure = error
    }
    try await channel.close()
    if let failure { throw failure }
  }

  static let loopback = GeneralName.ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1]))

  private static func identity(_ names: [GeneralName]) throws -> (pem: String, context: NIOSSLContext) {
    let key = P256.Signing.PrivateKey()
    let name = try DistinguishedName { CommonName("admin stub") }
    let now = Date()
    let certificate = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey), notValidBefore: now - 3600,
      notValidAfter: now + 3600, issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
        SubjectAlternativeNames(names)
      },
      issuerPrivateKey: .init(key))
    let pem = try certificate.serializeAsPEM().pemString
    let configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: [.certificate(try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem))],
      privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.pemRepresentation.utf8), format: .pem)))
    return (pem, try NIOSSLContext(configuration: configuration))
  }
}

/// Collects one request at a time and answers it.
private final class Responder: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let answer: AdminStub.Answer
  private let log: AdminStub.Log
  private var request = AdminStub.Request(line: "", authorization: nil, body: "")

  init(_ answer: AdminStub.Answer, _ log: AdminStub.Log) {
    self.answer = answer
    self.log = log
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      let authorization = head.headers.first(name: "authorization")
      request = .init(line: "\(head.method) \(head.uri)", authorization: authorization, body: "")
    case .body(let bytes): request.body += String(buffer: bytes)
    case .end:
      log.add(request)
      respond(context)
    }
  }

  // A client that does not trust the server breaks the handshake off: expected, and told by the client's side.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func respond(_ context: ChannelHandlerContext) {
    guard case .reply(let status, let type, let body, let more) = answer else {
      return context.close(promise: nil)
    }
    var headers: HTTPHeaders = ["content-type": type, "content-length": String(body.utf8.count)]
    for (name, value) in more { headers.add(name: name, value: value) }
    let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }
}
