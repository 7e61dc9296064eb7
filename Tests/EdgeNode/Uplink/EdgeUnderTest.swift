// An uplink with its spool and folder, as an edge would hold them.

import EdgeUplink
import StraitProtocol
import Synchronization

/// A refusal of the policy tables.
struct TablesRefuse: Error, CustomStringConvertible {
  var description: String { "the tables do not take it" }
}

final class EdgeUnderTest: Sendable {
  let folder: ScratchFolder
  let spool: UsageSpool
  let uplink: Uplink
  let applied: Applied
  let refused: Refused

  /// What the edge refuses ahead of its configuration.
  final class Refused: Sendable {
    private let sets = Mutex<[Set<RevocationSubject>]>([])
    private let held = Mutex<Signal?>(nil)

    var last: Set<RevocationSubject>? { sets.withLock { $0.last } }
    /// A worker takes its turn only when the signal is raised.
    func hold(_ signal: Signal?) { held.withLock { $0 = signal } }

    func enforce(_ subjects: [RevocationSubject]) async {
      sets.withLock { $0.append(Set(subjects)) }
      await held.withLock { $0 }?.wait()
    }
  }

  /// The configurations that were put into force.
  final class Applied: Sendable {
    private let states = Mutex<[ConfigurationState]>([])
    private let refuses = Mutex(false)

    var last: ConfigurationState? { states.withLock { $0.last } }
    var versions: [UInt64] { states.withLock { $0.map(\.version) } }
    func refuse(_ value: Bool) { refuses.withLock { $0 = value } }

    func apply(_ state: ConfigurationState) throws {
      if refuses.withLock({ $0 }) { throw TablesRefuse() }
      states.withLock { $0.append(state) }
    }
  }

  init(
    _ plane: FakeControlPlane, link: Int, enrolment: Int, folder: ScratchFolder,
    token: String? = "token-of-a-test",
    host: String = "127.0.0.1", spoolLimits: SpoolLimits = SpoolLimits(), spoolDisk: SpoolDisk = .linux,
    trusts other: TestAuthority? = nil,
    change: (inout UplinkConfiguration) -> Void = { _ in }
  ) throws {
    self.folder = folder
    let authorityFile = "\(folder.path)/authority.pem"
    try writeFile(authorityFile, Array((other ?? plane.authority).pem.utf8))
    var configuration = UplinkConfiguration(
      dataDirectory: "\(folder.path)/data", controlPlaneAddresses: ["\(host):\(link)"],
      enrolmentAddresses: ["\(host):\(enrolment)"], authorityFile: authorityFile, joinToken: token,
      baseURL: "https://edge.test", softwareVersion: "1.2.3")
    configuration.limits.reconnectMilliseconds = 10
    configuration.limits.reconnectMaximumMilliseconds = 50
    configuration.limits.reportSeconds = 0.02
    configuration.limits.certificateLookSeconds = 0.02
    configuration.limits.renewRetryMilliseconds = 10
    configuration.limits.renewRetryMaximumMilliseconds = 50
    change(&configuration)
    spool = try UsageSpool(
      directory: configuration.spoolDirectory, limits: spoolLimits, logger: quiet, disk: spoolDisk)
    let (applied, refused) = (Applied(), Refused())
    self.applied = applied
    self.refused = refused
    uplink = Uplink(
      configuration: configuration, spool: spool, logger: quiet, activeExchanges: { 3 },
      // One for each configuration in force so far, and none of them ended well.
      exchangeCounts: {
        let count = UInt64(applied.versions.count)
        return (count, count)
      },
      apply: { try applied.apply($0) }, enforce: { await refused.enforce($0) })
  }

  /// Runs the uplink while the body does; the spool is closed afterwards.
  func run<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    defer { spool.close() }
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.uplink.run() }
      let result = try await body()
      group.cancelAll()
      try await group.waitForAll()
      return result
    }
  }
}
