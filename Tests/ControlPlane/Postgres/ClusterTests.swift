import Foundation
import TestSupport
import Testing

@Suite("The test cluster")
struct ClusterTests {
  @Test("gives every caller a database of its own")
  func freshDatabases() async throws {
    async let first = PostgresCluster.freshDatabase()
    async let second = PostgresCluster.freshDatabase()
    let urls = try await [first, second]
    #expect(urls[0] != urls[1])
    #expect(urls.allSatisfy { $0.hasPrefix("postgresql://") })
  }

  @Test("leaves neither server nor folder behind")
  func removal() async throws {
    let cluster = try await PostgresCluster.start()
    #expect(FileManager.default.fileExists(atPath: "\(cluster.folder)/data/postmaster.pid"))
    cluster.remove()
    #expect(!FileManager.default.fileExists(atPath: cluster.folder))
  }
}
