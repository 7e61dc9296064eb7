import EdgeUplink
import Glibc
import StraitProtocol
import Testing

@Suite("The spool and kill -9")
struct SpoolKillTests {
  @Test("has every record whose append returned, wherever the process was killed", arguments: 1...6)
  func killedWhileAppending(round: Int) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let folder = try ScratchFolder()
    // Up to 30,000 records: several segments of the writer's 5,461.
    let enough = UInt64.random(in: 1...30_000, using: &generator)
    let returned = try runWriter(folder.path, killAfter: enough)

    let spool = try UsageSpool(directory: folder.path, logger: quiet, upkeepThread: false)
    defer { spool.close() }
    let found = spool.drain()
    #expect(returned >= enough)
    #expect(found.count >= Int(returned), "seed \(seed)")
    // At most the one that was being appended is there beyond those that returned.
    #expect(found.count <= Int(returned) + 1, "seed \(seed)")
    #expect(found.map(\.sequence) == Array(1...UInt64(found.count)), "seed \(seed)")
    #expect(found.allSatisfy { $0.record.durationMicroseconds == $0.sequence }, "seed \(seed)")
    #expect(spool.recovery.tornEntries <= 1)
    #expect(spool.recovery.damagedEntries == 0)
  }

  /// Starts the writer, kills it once it has said that so many appends returned.
  /// - Returns: the last number it said
  private func runWriter(_ folder: String, killAfter enough: UInt64) throws -> UInt64 {
    var pipeEnds: [Int32] = [0, 0]
    try #require(pipe(&pipeEnds) == 0)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, pipeEnds[1], 1)
    posix_spawn_file_actions_addclose(&actions, pipeEnds[0])
    defer { posix_spawn_file_actions_destroy(&actions) }
    let writer = try builtProgram("spool-writer")
    let arguments: [UnsafeMutablePointer<CChar>?] = [strdup(writer), strdup("append"), strdup(folder), nil]
    defer { arguments.forEach { free($0) } }
    var child = pid_t()
    try #require(
      posix_spawn(&child, writer, &actions, nil, arguments, environ) == 0, "cannot start the writer")
    close(pipeEnds[1])
    defer { close(pipeEnds[0]) }

    var last: UInt64 = 0
    var partial: [UInt8] = []
    var isKilled = false
    var chunk = [UInt8](repeating: 0, count: 4096)
    while case let count = read(pipeEnds[0], &chunk, chunk.count), count > 0 {
      partial += chunk[..<count]
      let whole = partial.count / 8 * 8
      if whole > 0 {
        last = partial.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: whole - 8, as: UInt64.self) }
        partial.removeFirst(whole)
      }
      if last >= enough, !isKilled {
        kill(child, SIGKILL)
        isKilled = true
      }
    }
    var status: Int32 = 0
    waitpid(child, &status, 0)
    #expect(status & 0x7F == SIGKILL, "the writer ended by itself with \(status)")
    return last
  }

  /// The writer is built beside the tests.
}
