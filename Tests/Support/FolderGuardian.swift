// Stops a server and deletes its folder when the test process is gone, however it went.

import Foundation
import Synchronization

/// A small shell that waits for the end of its standard input. This process holds the other end of that socket, and
/// the kernel closes it even after SIGKILL; nothing has to run in the dying process.
final class FolderGuardian: Sendable {
  private struct Held {
    var process: pid_t
    var lifeline: Int32
  }

  private let held: Mutex<Held?>

  init(folder: String, stop: [String]) throws {
    var ends: [Int32] = [-1, -1]
    // Close-on-exec from birth keeps our end out of every other child, which would otherwise hold it open.
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      throw PostgresClusterError(reason: "no socket pair: errno \(errno)")
    }
    defer { close(ends[0]) }
    // Again and again, because a half-done initdb writes on for a moment after its parent's death.
    let script = """
      trap '' INT TERM HUP
      folder=$1
      shift
      cat >/dev/null
      attempts=0
      while [ -e "$folder" ] && [ $attempts -lt 100 ]; do
        cd "$folder" && "$@" >/dev/null 2>&1
        cd / && rm -rf "$folder"
        [ ! -e "$folder" ] || sleep 0.2
        attempts=$((attempts + 1))
      done
      """
    let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
    defer { close(null) }
    let process = try spawn(
      ["/usr/bin/setsid", "/bin/sh", "-c", script, "guardian", folder] + stop, input: ends[0], output: null)
    held = Mutex(Held(process: process, lifeline: ends[1]))
  }

  /// Ends the server now and waits until its folder is gone.
  func release() {
    guard let last = held.withLock({ held in held.take() }) else { return }
    close(last.lifeline)
    _ = wait(for: last.process)
  }

  deinit { release() }
}
