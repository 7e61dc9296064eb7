// The control plane put together: what is prepared at the start, and what runs until the end.

import Logging
import Postgres
import ServiceLifecycle
import StraitProtocol

package struct ControlPlane: Sendable {
  /// Where it listens, once it does.
  package struct Ports: Sendable {
    package var admin = 0
    package var link = 0
    package var enrolment = 0

    package init() {}
  }

  package let installation: Installation
  package let pool: PostgresPool
  package let publisher: ConfigurationPublisher
  private let calls = EdgeCalls()
  package let revocations: RevocationPublisher
  /// What the revocation lane waits for is nobody else's.
  private let revocationPool: PostgresPool
  private let settings: ControlPlaneSettings
  private let logger: Logger

  private static let revocationConnections = 2
  /// A fleet that comes back all at once.
  private static let revocationWaiters = 4096

  /// Brings the database to the newest schema and makes what a first start has to make.
  package static func prepare(_ settings: ControlPlaneSettings, logger: Logger) async throws -> ControlPlane {
    let pool = PostgresPool(settings.database, logger: logger)
    do {
      let installation = try await InstallationService(
        pool: pool, dataDirectory: settings.dataDirectory, logger: logger
      ).prepare()
      return ControlPlane(settings: settings, installation: installation, pool: pool, logger: logger)
    } catch {
      await pool.close()
      throw error
    }
  }

  private init(settings: ControlPlaneSettings, installation: Installation, pool: PostgresPool, logger: Logger)
  {
    self.settings = settings
    self.installation = installation
    self.pool = pool
    self.logger = logger
    let reader = ConfigurationReader(pool: pool, lineage: installation.lineage, key: installation.key)
    publisher = ConfigurationPublisher(reader: reader, logger: logger)
    var limits = PostgresPoolLimits()
    limits.maximumConnections = Self.revocationConnections
    limits.maximumWaiters = Self.revocationWaiters
    revocationPool = PostgresPool(settings.database, limits: limits, logger: logger)
    revocations = RevocationPublisher(
      pool: revocationPool, lineage: installation.lineage, logger: logger)
  }

  /// What has to run, in the order of starting. It is stopped in the reverse order: first new work, then the pool.
  /// - Parameter onListening: told each port as it is bound
  package func services(
    onListening: @escaping @Sendable (WritableKeyPath<Ports, Int> & Sendable, Int) async -> Void
  ) throws -> [any Service] {
    let admin = AdminServices(
      pool: pool, installation: installation,
      edgeCertificateSeconds: settings.controlLink.edgeCertificateSeconds)
    let rollouts = RolloutCoordinator(
      service: RolloutService(pool: pool, settings: settings.rollout), logger: logger)
    let credentials = try LinkCredentials(
      authority: installation.authority, names: settings.controlLink.serverNames, logger: logger)
    let link = try LinkServer(
      "control link", listen: settings.controlLink.listen, credentials: credentials, clients: .edges,
      services: [
        ConfigurationProvider(
          publisher: publisher, rollouts: rollouts, pool: pool, lineage: installation.lineage, logger: logger),
        IdentityProvider(identities: admin.identities, logger: logger),
        RevocationProvider(publisher: revocations, pool: revocationPool, logger: logger),
        UsageProvider(ingest: UsageIngestService(pool: pool, logger: logger), logger: logger),
      ], interceptors: [EdgeAdmission(calls: calls, pool: pool, logger: logger)], logger: logger
    ) { port in await onListening(\.link, port) }
    let enrolment = try LinkServer(
      "enrolment", listen: settings.controlLink.enrolmentListen, credentials: credentials,
      clients: .newcomers,
      services: [EnrolmentProvider(identities: admin.identities, logger: logger)], logger: logger
    ) { port in await onListening(\.enrolment, port) }
    let server = try AdminServer(settings: settings.admin, services: admin, logger: logger) { port in
      await onListening(\.admin, port)
    }
    let watch = ConfigurationWatch(configuration: settings.database, publisher: publisher, logger: logger)
    let evictions = EvictionWatch(
      configuration: settings.database, pool: pool, calls: calls, logger: logger)
    let revocationWatch = RevocationWatch(
      configuration: settings.database, publisher: revocations, pool: revocationPool, logger: logger)
    return [PoolService(pool: pool), link, enrolment, server, watch, evictions, revocationWatch, rollouts]
  }
}

/// Closes the pool when everything that uses it has stopped.
private struct PoolService: Service {
  let pool: PostgresPool

  func run() async throws {
    do { try await gracefulShutdown() } catch is CancellationError {}
    await pool.close()
  }
}
