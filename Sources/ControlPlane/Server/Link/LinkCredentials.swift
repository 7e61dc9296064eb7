// The control link's own certificate, made anew in the middle of its time: a control plane may run for longer than one is
// good for. Every new connection asks here for what to show; those that stand go on with what they were shown.

import Logging
import NIOCertificateReloading
import NIOSSL
import Synchronization

package final class LinkCredentials: CertificateReloader, Sendable {
  private struct Shown: Sendable {
    var override: NIOSSLContextConfigurationOverride
    var renewAt: Moment
  }

  /// Whose certificates clients show, and who signs the server's.
  let authorityDER: [UInt8]
  private let authority: CertificateAuthority
  private let names: [String]
  private let clock: @Sendable () -> Moment
  private let logger: Logger
  private let shown: Mutex<Shown>

  package init(
    authority: CertificateAuthority, names: [String], logger: Logger,
    clock: @escaping @Sendable () -> Moment = { .now }
  ) throws {
    self.authority = authority
    self.names = names
    self.logger = logger
    self.clock = clock
    authorityDER = try authority.certificate.derBytes()
    shown = Mutex(try Self.issue(authority, names, now: clock()))
  }

  package var sslContextConfigurationOverride: NIOSSLContextConfigurationOverride {
    let now = clock()
    return shown.withLock { shown in
      guard now >= shown.renewAt else { return shown.override }
      do {
        shown = try Self.issue(authority, names, now: now)
        logger.info("the control link has a new certificate")
      } catch {
        // There is half of its time to try again.
        logger.error("cannot renew the control link's certificate", metadata: ["error": "\(type(of: error))"])
      }
      return shown.override
    }
  }

  private static func issue(_ authority: CertificateAuthority, _ names: [String], now: Moment) throws -> Shown
  {
    let credentials = try authority.issueServer(names: names, now: now)
    var override = NIOSSLContextConfigurationOverride()
    override.certificateChain = try credentials.chainDER.map { der in
      .certificate(try NIOSSLCertificate(bytes: der, format: .der))
    }
    override.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: credentials.keyDER, format: .der))
    return Shown(
      override: override, renewAt: now.adding(seconds: Validity.serverCertificateDays * 86_400 / 2))
  }
}
