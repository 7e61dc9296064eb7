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

/// Where a certificate chain and its key are, in PEM form.
package struct CertificateFiles: Sendable, Equatable {
  package let certificateFile: String
  package let privateKeyFile: String

  package init(certificateFile: String, privateKeyFile: String) {
    self.certificateFile = certificateFile
    self.privateKeyFile = privateKeyFile
  }
}

package final class TLSContext: @unchecked Sendable {
  // Immutable after init, and OpenSSL's SSL_CTX may be used from several threads at once.
  let pointer: OpaquePointer

  /// Mozilla's intermediate recommendation, with TLS 1.3's own suites beside it.
  private static let ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

  /// Certificates for other names; `pointer` has the one for clients that name none of them.
  private let others: [TLSContext]
  private let names: ServerNames
  private let tickets: TicketKeys?

  private init(
    _ pointer: OpaquePointer, others: [TLSContext] = [], names: ServerNames = ServerNames(),
    tickets: TicketKeys? = nil
  ) {
    self.pointer = pointer
    self.others = others
    self.names = names
    self.tickets = tickets
  }

  deinit {
    SSL_CTX_free(pointer)
  }

  /// For clients that connect to the edge.
  /// - Parameter certificates: at least one; the first is for clients that ask for no name, or for one that none has
  /// - Throws: `TLSError` when a file cannot be read or a key is not its certificate's
  package static func server(certificates: [CertificateFiles], tickets: TicketKeys) throws -> TLSContext {
    let contexts = try certificates.map { try server($0, tickets) }
    guard let first = contexts.first else { throw TLSError("there is no certificate") }
    guard contexts.count > 1 else { return first }
    var names = ServerNames()
    for (index, context) in contexts.enumerated() {
      for name in context.certificateNames { names.add(name, certificate: index) }
    }
    SSL_CTX_up_ref(first.pointer)
    let context = TLSContext(first.pointer, others: contexts, names: names, tickets: tickets)
    strait_ssl_ctx_choose_by_name(
      context.pointer, chooseContext, Unmanaged.passUnretained(context).toOpaque())
    return context
  }

  private static func server(_ files: CertificateFiles, _ tickets: TicketKeys) throws -> TLSContext {
    let pointer = try make(TLS_server_method())
    let context = TLSContext(pointer, tickets: tickets)
    SSL_CTX_set_options(pointer, strait_ssl_server_options())
    SSL_CTX_set_session_id_context(pointer, "strait", 6)
    // The chain is sent as the file has it. Left to itself OpenSSL would build and verify one in every handshake.
    _ = strait_ssl_ctx_set_mode(pointer, Int(SSL_MODE_NO_AUTO_CHAIN))
    strait_ssl_ctx_set_tickets(pointer, TicketKeys.lookup, Unmanaged.passUnretained(tickets).toOpaque())
    strait_ssl_ctx_select_alpn(pointer)
    try use(files, pointer)
    return context
  }

  private static func use(_ files: CertificateFiles, _ pointer: OpaquePointer) throws {
    guard SSL_CTX_use_certificate_chain_file(pointer, files.certificateFile) == 1 else {
      throw TLSError("cannot use the certificate in \(files.certificateFile)")
    }
    guard SSL_CTX_use_PrivateKey_file(pointer, files.privateKeyFile, SSL_FILETYPE_PEM) == 1,
      SSL_CTX_check_private_key(pointer) == 1
    else {
      throw TLSError(
        "cannot use the private key in \(files.privateKeyFile) with the certificate in "
          + files.certificateFile)
    }
  }

  /// The DNS names that the certificate is for.
  private var certificateNames: [String] {
    var names = [String]()
    withUnsafeMutablePointer(to: &names) { list in
      strait_ssl_ctx_each_dns_name(
        pointer,
        { owner, name, count in
          guard let owner, let name else { return }
          let bytes = UnsafeRawBufferPointer(start: name, count: count)
          owner.assumingMemoryBound(to: [String].self).pointee.append(String(decoding: bytes, as: UTF8.self))
        }, list)
    }
    return names
  }

  /// For OpenSSL: the context whose certificate has the name, or nil to keep the first.
  private static let chooseContext: strait_name_chooser = { owner, name in
    guard let owner, let name else { return nil }
    return Unmanaged<TLSContext>.fromOpaque(owner)._withUnsafeGuaranteedRef { context in
      context.names.certificate(for: String(cString: name)).map { context.others[$0].pointer }
    }
  }

  /// For connections to upstreams: the peer's certificate and name are always verified.
  /// - Parameter trustPEM: the only certificates to trust; empty for the system's
  package static func client(trustPEM: String) throws -> TLSContext {
    let context = TLSContext(try make(TLS_client_method()))
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

  private static func make(_ method: OpaquePointer?) throws -> OpaquePointer {
    guard let pointer = SSL_CTX_new(method) else { throw TLSError("cannot make a TLS context") }
    guard strait_ssl_ctx_set_min_version(pointer, TLS1_2_VERSION) == 1,
      SSL_CTX_set_cipher_list(pointer, ciphers) == 1,
      strait_ssl_ctx_set_groups(pointer, "X25519:P-256:P-384") == 1
    else {
      SSL_CTX_free(pointer)
      throw TLSError("cannot set the TLS versions and ciphers")
    }
    _ = strait_ssl_ctx_set_mode(
      pointer,
      Int(SSL_MODE_ENABLE_PARTIAL_WRITE) | Int(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)
        | Int(SSL_MODE_RELEASE_BUFFERS))
    _ = strait_ssl_ctx_return_after_messages(pointer)
    return pointer
  }
}
