// Runs a program to its end, for fixtures that need one.
//
// Not Foundation's `Process`: it notices the end of a program by a socket that the program's own children inherit, so a
// server started by `pg_ctl` keeps it waiting for ever.

import Dispatch
import Foundation

package struct SubprocessFailure: Error, CustomStringConvertible {
  package let program: String
  package let status: Int32
  package let output: String

  package var description: String { "\(program) ended with \(status): \(output)" }
}

/// Runs `arguments[0]` (a whole path) and returns what it wrote to standard output and standard error.
/// - Parameters:
///   - environment: added to this process's own; the place for secrets, which other users can read on a command line
///   - folder: the program's working folder
/// - Throws: `SubprocessFailure` when the program does not end with status 0
@discardableResult
package func run(
  _ arguments: [String], environment: [String: String] = [:], folder: String = "/"
) async throws -> String {
  try await withCheckedThrowingContinuation { continuation in
    // Waiting blocks a thread, which the pool of Swift's tasks must not lose.
    DispatchQueue.global().async {
      continuation.resume(
        with: Result { try runBlocking(arguments, environment: environment, folder: folder) })
    }
  }
}

private func runBlocking(
  _ arguments: [String], environment: [String: String], folder: String
) throws -> String {
  // A file and not a pipe: a server left running in the background would hold a pipe open.
  var path = Array("/tmp/strait-test-output-XXXXXX".utf8CString)
  let output = mkstemp(&path)
  guard output >= 0 else { throw PostgresClusterError(reason: "no file for output: errno \(errno)") }
  unlink(path)
  let handle = FileHandle(fileDescriptor: output, closeOnDealloc: true)
  let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
  defer { close(null) }
  let process = try spawn(
    ["/usr/bin/env", "-C", folder] + arguments, environment: environment, input: null, output: output)
  let status = wait(for: process)
  try handle.seek(toOffset: 0)
  let text = String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
  guard status == 0 else { throw SubprocessFailure(program: arguments[0], status: status, output: text) }
  return text
}

/// Starts a program with the given descriptors as its standard input and its standard output and error.
func spawn(
  _ arguments: [String], environment: [String: String] = [:], input: Int32, output: Int32
) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_adddup2(&actions, input, 0)
  posix_spawn_file_actions_adddup2(&actions, output, 1)
  posix_spawn_file_actions_adddup2(&actions, output, 2)
  let variables = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
  let argv = CStrings(arguments)
  let envp = CStrings(variables.map { "\($0.key)=\($0.value)" })
  var process: pid_t = 0
  let result = posix_spawn(&process, arguments[0], &actions, nil, argv.pointers, envp.pointers)
  guard result == 0 else {
    throw SubprocessFailure(program: arguments[0], status: result, output: "not started")
  }
  return process
}

/// Waits for the end of a child: its exit status, or 128 plus the signal that ended it.
func wait(for process: pid_t) -> Int32 {
  var status: Int32 = 0
  while waitpid(process, &status, 0) < 0 && errno == EINTR {}
  return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
}

/// A NULL-terminated array of C strings.
private final class CStrings {
  private(set) var pointers: [UnsafeMutablePointer<CChar>?]

  init(_ strings: [String]) {
    pointers = strings.map { strdup($0) } + [nil]
  }

  deinit { pointers.forEach { free($0) } }
}
