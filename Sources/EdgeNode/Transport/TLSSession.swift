// One connection's TLS, over the loop's buffers. Nothing here touches a socket.

import COpenSSL
import StraitProtocol

struct TLSSession: ~Copyable {
  enum Step {
    case done
    /// More bytes from the peer are needed.
    case needsInput
    /// A message of TLS itself was read; there may be more to read.
    case message
    /// The peer ended the stream in order.
    case ended
    case failed
  }

  private let ssl: OpaquePointer
  /// Its callbacks name it by a plain pointer.
  private let context: TLSContext
  private let buffers: UnsafeMutablePointer<strait_tls_buffers>

  init?(server context: TLSContext, loop: LoopBuffers) {
    self.init(context, loop) { ssl in
      SSL_set_accept_state(ssl)
      return true
    }
  }

  /// Nil also where OpenSSL does not take the name: without one it would trust every certificate of the authority.
  /// - Parameters:
  ///   - serverName: verified against the certificate, and sent as SNI unless it is an address
  ///   - protocols: ALPN names in wire form, each after its length
  init?(client context: TLSContext, serverName: String, protocols: StaticString, loop: LoopBuffers) {
    self.init(context, loop) { ssl in
      SSL_set_connect_state(ssl)
      SSL_set_alpn_protos(ssl, protocols.utf8Start, UInt32(protocols.utf8CodeUnitCount))
      if IPAddress(serverName) != nil {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), serverName) == 1
      }
      return !serverName.isEmpty && strait_ssl_set_server_name(ssl, serverName) == 1
        && SSL_set1_host(ssl, serverName) == 1
    }
  }

  /// - Parameter prepare: says whether the session can be used
  private init?(_ context: TLSContext, _ loop: LoopBuffers, _ prepare: (OpaquePointer) -> Bool) {
    defer { ERR_clear_error() }
    guard let ssl = SSL_new(context.pointer) else { return nil }
    guard prepare(ssl) else {
      SSL_free(ssl)
      return nil
    }
    let buffers = UnsafeMutablePointer<strait_tls_buffers>.allocate(capacity: 1)
    buffers.initialize(to: strait_tls_buffers())
    buffers.pointee.output = loop.records.bindMemory(to: UInt8.self).baseAddress
    buffers.pointee.output_capacity = LoopBuffers.recordSize
    guard let bio = strait_bio_new(buffers) else {
      SSL_free(ssl)
      buffers.deallocate()
      return nil
    }
    SSL_set_bio(ssl, bio, bio)
    self.ssl = ssl
    self.context = context
    self.buffers = buffers
  }

  deinit {
    SSL_free(ssl)
    buffers.deallocate()
  }

  /// Records to send, in the loop's buffer; follow with `outputTaken`.
  var output: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: buffers.pointee.output, count: buffers.pointee.output_count)
  }

  func outputTaken() {
    buffers.pointee.output_count = 0
  }

  /// Offers bytes from the peer. They must stay where they are until `read` or `handshake` has said `needsInput`.
  func offer(_ bytes: UnsafeRawBufferPointer) {
    buffers.pointee.input = bytes.bindMemory(to: UInt8.self).baseAddress
    buffers.pointee.input_count = bytes.count
    buffers.pointee.starved = 0
  }

  func handshake() -> Step {
    ERR_clear_error()
    // It may leave errors behind that did not stop it, such as a ticket's that could not be opened.
    defer { ERR_clear_error() }
    let result = SSL_do_handshake(ssl)
    return result == 1 ? .done : step(result)
  }

  /// Nothing of what the peer has offered is left to read.
  var isDrained: Bool { buffers.pointee.input_count == 0 && SSL_has_pending(ssl) == 0 }

  /// Plain bytes into `space`.
  func read(into space: UnsafeMutableRawBufferPointer, count: inout Int) -> Step {
    let result = SSL_read(ssl, space.baseAddress, Int32(space.count))
    count = Int(max(0, result))
    return result > 0 ? .done : step(result)
  }

  /// Seals all of `bytes`, which must fit the room left in the loop's record buffer.
  func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var rest = bytes
    while rest.count > 0 {
      let written = SSL_write(ssl, rest.baseAddress, Int32(rest.count))
      guard written > 0 else {
        ERR_clear_error()
        return false
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[Int(written)...])
    }
    return true
  }

  /// Seals the closing alert.
  func shutdown() {
    _ = SSL_shutdown(ssl)
    ERR_clear_error()
  }

  enum NegotiatedProtocol {
    case http2, http1, none
  }

  var negotiated: NegotiatedProtocol {
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &count)
    let bytes = UnsafeRawBufferPointer(start: name, count: Int(count))
    return bytes.equals("h2") ? .http2 : bytes.equals("http/1.1") ? .http1 : .none
  }

  var resumed: Bool { SSL_session_reused(ssl) == 1 }

  /// The thread's queue of errors is empty between calls, and `SSL_get_error` looks into it first: whatever can leave
  /// something there clears it. Clearing it before each call would cost as much as a tenth of sealing a record.
  private func step(_ result: Int32) -> Step {
    if buffers.pointee.starved != 0, SSL_want(ssl) == SSL_READING { return .needsInput }
    defer { ERR_clear_error() }
    return switch SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: .message
    case SSL_ERROR_ZERO_RETURN: .ended
    default: .failed
    }
  }
}
