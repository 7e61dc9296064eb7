import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import TestSupport
import Testing

@Suite("First and later starts")
struct InstallationTests {
  private static func prepare(_ url: String, _ folder: String) async throws -> Installation {
    let logger = CapturedLog().logger()
    let pool = PostgresPool(try PostgresConfiguration(url: url), logger: logger)
    do {
      let installation = try await InstallationService(pool: pool, dataDirectory: folder, logger: logger)
        .prepare()
      await pool.close()
      return installation
    } catch {
      await pool.close()
      throw error
    }
  }

  @Test("a first start makes everything, and a second start finds it")
  func again() async throws {
    let (url, folder) = (try await PostgresCluster.freshDatabase(), try temporaryFolder())
    let first = try await Self.prepare(url, folder)
    #expect(first.newTokenFile == "\(folder)/operator-token")
    for name in ["operator-token", "key-encryption-key"] {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
      #expect(attributes[.posixPermissions] as? Int == 0o600)
    }
    #expect(FileManager.default.fileExists(atPath: "\(folder)/control-ca.pem"))
    let second = try await Self.prepare(url, folder)
    #expect(second.newTokenFile == nil)
    #expect(second.lineage == first.lineage)
    #expect(second.authority.certificate == first.authority.certificate)
  }

  @Test("several first starts at once, with one data folder, make one installation")
  func atOnce() async throws {
    let (url, folder) = (try await PostgresCluster.freshDatabase(), try temporaryFolder())
    let all = try await withThrowingTaskGroup(of: Installation.self) { group in
      for _ in 0..<4 { group.addTask { try await Self.prepare(url, folder) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(all.map(\.lineage)).count == 1)
    #expect(all.filter { $0.newTokenFile != nil }.count == 1)
    let token = try String(contentsOfFile: "\(folder)/operator-token", encoding: .utf8)
    let pool = PostgresPool(try PostgresConfiguration(url: url), logger: CapturedLog().logger())
    let digest = try #require(BearerToken(token.trimmingCharacters(in: .newlines), for: .operate)).digest
    #expect(try await OperatorTokenStore.actor(for: digest, on: pool)?.description == "operator:first")
    await pool.close()
  }

  @Test("a start without the key that the database was made with is refused, and says what to do")
  func missingKey() async throws {
    let (url, folder) = (try await PostgresCluster.freshDatabase(), try temporaryFolder())
    _ = try await Self.prepare(url, folder)
    let elsewhere = try temporaryFolder()
    let missing = await #expect(throws: StartFault.self) { try await Self.prepare(url, elsewhere) }
    #expect(missing?.hint.contains("copy") == true)
    #expect(!FileManager.default.fileExists(atPath: "\(elsewhere)/key-encryption-key"))
    try Data(String(repeating: "0", count: 64).utf8).write(
      to: URL(fileURLWithPath: "\(elsewhere)/key-encryption-key"))
    await #expect(throws: SealFault.self) { try await Self.prepare(url, elsewhere) }
  }

  @Test("a first start that died after it wrote the token is finished by the next")
  func interrupted() async throws {
    let (url, folder) = (try await PostgresCluster.freshDatabase(), try temporaryFolder())
    let token = BearerToken.generate(for: .operate)
    try PrivateFile.replace(Array("\(token.secret)\n".utf8), at: "\(folder)/operator-token")
    _ = try await Self.prepare(url, folder)
    let pool = PostgresPool(try PostgresConfiguration(url: url), logger: CapturedLog().logger())
    #expect(try await OperatorTokenStore.actor(for: token.digest, on: pool) != nil)
    await pool.close()
  }

  @Test("a secret opens only for what it was sealed for, and only unchanged")
  func sealing() throws {
    let key = try #require(KeyEncryptionKey(bytes: KeyEncryptionKey.randomBytes()))
    let (one, other) = (UpstreamID(high: 1, low: 1), UpstreamID(high: 1, low: 2))
    let sealed = try key.seal(Array("secret".utf8), for: .upstreamCredential(one))
    #expect(try key.open(sealed, for: .upstreamCredential(one)) == Array("secret".utf8))
    #expect(throws: SealFault.self) { try key.open(sealed, for: .upstreamCredential(other)) }
    #expect(throws: SealFault.self) { try key.open(sealed, for: .authorityKey) }
    for index in sealed.indices {
      var changed = sealed
      changed[index] ^= 1
      #expect(throws: SealFault.self) { try key.open(changed, for: .upstreamCredential(one)) }
    }
  }
}
