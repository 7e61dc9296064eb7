// What TLS connections of one kind share: certificates, trust, ciphers, tickets. One context serves all workers; OpenSSL
// counts its references atomically.

import COpenSSL

package struct TLSError: Error, CustomStringConvertible {
  package let description: String

  init(_ what: String) {
    var reasons = [String]()
    while case let code = ERR_get_error(), code != 0 {
      if let reason = ERR_reason_error_string(code) { reasons.append(String(cString: reason)) }
    }
    description = reasons.isEmpty ? what : what + ": " + reasons.joined(separator: ", ")
  }
}

package final class TLSContext: @unchecked Sendable {
  // Immutable after init, and OpenSSL's SSL_CTX may be used from several threads at once.
  let pointer: OpaquePointer

  /// Mozilla's intermediate recommendation, with TLS 1.3's own suites beside it.
  private static let ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

  private init(_ pointer: OpaquePointer) {
    self.pointer = pointer
  }

  deinit {
    SSL_CTX_free(pointer)
  }

  /// For clients that connect to the edge.
  /// - Throws: `TLSError` when a file cannot be read or the key is not the certificate's
  package static func server(certificateFile: String, privateKeyFile: String) throws -> TLSContext {
    let context = try make(TLS_server_method())
    SSL_CTX_set_options(context.pointer, strait_ssl_server_options())
    SSL_CTX_set_session_id_context(context.pointer, "strait", 6)
    // One ticket a handshake: a second one costs and is not used.
    SSL_CTX_set_num_tickets(context.pointer, 1)
    strait_ssl_ctx_select_alpn(context.pointer)
    guard SSL_CTX_use_certificate_chain_file(context.pointer, certificateFile) == 1 else {
      throw TLSError("cannot use the certificate in \(certificateFile)")
    }
    guard SSL_CTX_use_PrivateKey_file(context.pointer, privateKeyFile, SSL_FILETYPE_PEM) == 1 else {
      throw TLSError("cannot use the private key in \(privateKeyFile)")
    }
    guard SSL_CTX_check_private_key(context.pointer) == 1 else {
      throw TLSError(
        "the private key in \(privateKeyFile) does not belong to the certificate in \(certificateFile)")
    }
    return context
  }

  /// For connections to upstreams: the peer's certificate and name are always verified.
  /// - Parameter trustPEM: the only certificates to trust; empty for the system's
  package static func client(trustPEM: String) throws -> TLSContext {
    let context = try make(TLS_client_method())
    SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
    if trustPEM.isEmpty {
      guard SSL_CTX_set_default_verify_paths(context.pointer) == 1 else {
        throw TLSError("cannot read the system's trusted certificates")
      }
    } else {
      guard strait_ssl_ctx_trust_pem(context.pointer, trustPEM, Int32(trustPEM.utf8.count)) > 0 else {
        throw TLSError("the upstream's CA text holds no certificate")
      }
    }
    return context
  }

  private static func make(_ method: OpaquePointer?) throws -> TLSContext {
    guard let pointer = SSL_CTX_new(method) else { throw TLSError("cannot make a TLS context") }
    let context = TLSContext(pointer)
    guard strait_ssl_ctx_set_min_version(pointer, TLS1_2_VERSION) == 1,
      SSL_CTX_set_cipher_list(pointer, ciphers) == 1,
      strait_ssl_ctx_set_groups(pointer, "X25519:P-256:P-384") == 1
    else { throw TLSError("cannot set the TLS versions and ciphers") }
    _ = strait_ssl_ctx_set_mode(
      pointer,
      Int(SSL_MODE_ENABLE_PARTIAL_WRITE) | Int(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)
        | Int(SSL_MODE_RELEASE_BUFFERS))
    return context
  }
}
