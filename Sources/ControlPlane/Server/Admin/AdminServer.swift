// The admin API's HTTPS listener.

import Hummingbird
import HummingbirdTLS
import Logging
import NIOSSL
import ServiceLifecycle

package struct AdminServer: Service {
  private let application: Application<RouterResponder<BasicRequestContext>>

  package static let idleSeconds: Int64 = 60

  /// - Parameter onListening: told the port once it is bound
  package init(
    settings: ControlPlaneSettings.Admin, services: AdminServices, logger: Logger,
    onListening: @escaping @Sendable (Int) async -> Void
  ) throws {
    let router = AdminRouter(services: services)
    application = Application(
      responder: router.responder(),
      server: try .tls(
        .http1(configuration: .init(idleTimeout: .seconds(Self.idleSeconds))),
        tlsConfiguration: try Self.tls(settings)),
      configuration: ApplicationConfiguration(
        address: .hostname(settings.listen.host, port: settings.listen.port)),
      onServerRunning: { channel in
        logger.info("admin API listens", metadata: ["port": "\(channel.localAddress?.port ?? 0)"])
        await onListening(channel.localAddress?.port ?? 0)
      },
      logger: logger)
  }

  package func run() async throws {
    try await application.run()
  }

  private static func tls(_ settings: ControlPlaneSettings.Admin) throws -> TLSConfiguration {
    let chain: [NIOSSLCertificate]
    do {
      chain = try NIOSSLCertificate.fromPEMFile(settings.certificateFile)
    } catch {
      throw StartFault(
        "\(settings.certificateFile) cannot be read as certificates in PEM form",
        hint: "see admin.certificate_file in the configuration")
    }
    let key: NIOSSLPrivateKey
    do {
      key = try NIOSSLPrivateKey(file: settings.privateKeyFile, format: .pem)
    } catch {
      throw StartFault(
        "\(settings.privateKeyFile) cannot be read as a key in PEM form",
        hint: "see admin.private_key_file in the configuration")
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    // A context is made here once, because only then does a key that does not fit its certificate show.
    do { _ = try NIOSSLContext(configuration: configuration) } catch {
      throw StartFault(
        "the key in \(settings.privateKeyFile) does not belong to the certificate in \(settings.certificateFile)",
        hint: "give a matching pair")
    }
    return configuration
  }
}
