// Whose files are in an edge's folder. The control plane knows a usage record by the edge that sends it and the record's
// number: what one edge recorded and another one shipped would be counted and charged again. So a machine that becomes
// another edge, by a new token after an eviction or without its identity files, begins with an empty spool.

import Logging
import StraitProtocol

package struct FolderOwner: Sendable {
  private let folder: String
  private let logger: Logger

  private var spool: String { folder + "/spool" }
  private var ownerPath: String { spool + "/edge" }
  /// What says something of the database to the edge that heard it, and nothing to another.
  private static let heard = ["revocations", RevocationKeeper.lostName, "last-word"]
  /// Of spools set aside for one edge; a machine that comes to that has another trouble.
  private static let largestOrdinal = 1000

  package init(dataDirectory: String, logger: Logger) {
    folder = dataDirectory
    self.logger = logger
  }

  /// Sets aside what another edge than the one to come has left. Comes before the spool is opened.
  /// - Parameter rejoins: a join token was given, so that an evicted edge becomes a new one
  /// - Throws: `SystemError`, also where another process has the spool; `UplinkError` for a damaged identity
  package func prepare(rejoins: Bool) throws {
    let identity = try IdentityStore(folder: folder).owner()
    let stays = identity.map { !($0.isEvicted && rejoins) } ?? false
    guard DurableFile.isThere(spool) else { return }
    // Held while it is moved, so that it is nobody's who runs.
    let held = try SpoolFolder(path: spool)
    defer { held.unlock() }
    // A spool from before owners were written down is the identity's.
    let owner = try writtenOwner() ?? identity?.edge.description
    if stays, owner == identity?.edge.description { return }
    guard try owner != nil || !held.segments().isEmpty else { return }
    try setAside(of: owner)
  }

  /// Writes down whose the spool is. Comes before its first record.
  package func claim(for edge: EdgeID) {
    do {
      guard try writtenOwner() != edge.description else { return }
      try DurableFile.write(Array("\(edge)\n".utf8), to: ownerPath, mode: 0o644)
    } catch {
      // The identity beside it says so too, as long as that is there.
      logger.warning("it is not written down whose the spool is", metadata: ["reason": "\(error)"])
    }
  }

  /// Spools of other edges that lie in the folder.
  static func spoolsSetAside(in folder: String) -> Int {
    (try? DurableFile.names(in: folder))?.count { $0.hasPrefix("spool.") } ?? 0
  }

  private func setAside(of owner: String?) throws {
    for name in Self.heard where DurableFile.isThere("\(folder)/\(name)") {
      try DurableFile.rename("\(folder)/\(name)", to: "\(spool)/\(name)")
    }
    try SnapshotKeeper.remove(from: folder)
    try StartKeeper.remove(from: folder)
    // Last: until it has gone, the next start does all of this again.
    let aside = freePath("\(spool).\(owner ?? "unknown")")
    try DurableFile.rename(spool, to: aside)
    logger.error(
      """
      usage records of another edge are set aside: this one begins with an empty spool; what the other had not shipped is \
      in no account, see the runbook on edges' identities
      """, metadata: ["edge": "\(owner ?? "unknown")", "kept as": "\(aside)"])
  }

  private func freePath(_ path: String) -> String {
    guard DurableFile.isThere(path) else { return path }
    let next = (2...Self.largestOrdinal).lazy.map { "\(path).\($0)" }.first { !DurableFile.isThere($0) }
    return next ?? path
  }

  private func writtenOwner() throws(SystemError) -> String? {
    guard let bytes = try DurableFile.read(ownerPath, limitBytes: 256) else { return nil }
    let text = String(decoding: bytes, as: UTF8.self).prefix { $0 != "\n" }
    // Anything else is nobody's name, and certainly no name of a folder.
    return EdgeID(String(text))?.description ?? "unknown"
  }
}
