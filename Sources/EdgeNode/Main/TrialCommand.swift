// `edge-node --try-configuration REGION`, started by an edge and by nobody else: makes of a configuration what a worker
// would, and says how that went. Not in the help, because there is nothing in it for a person.

import CLinux
import EdgeDataPath
import EdgeUplink
import Foundation
import StraitProtocol

enum TrialCommand {
  static func isAsked(_ arguments: [String]) -> Bool {
    arguments.count == 3 && arguments[1] == ConfigurationTrial.argument
  }

  static func run(region: String) -> Never {
    // It holds credentials for a moment.
    _ = strait_forbid_memory_dumps()
    do {
      let state = try TriedConfiguration.read(from: STDIN_FILENO)
      try PolicyTables(state, region: region).tryOut(state)
      end(TrialAnswer.passed, code: 0)
    } catch {
      let words = "\(error)".map { $0.isNewline ? " " : $0 }
      end(TrialAnswer.refused + String(words) + "\n", code: 1)
    }
  }

  private static func end(_ answer: String, code: Int32) -> Never {
    // Where nobody reads it, nobody needs it.
    _ = Array(answer.utf8).withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    // At once: nothing here is worth being tidied up.
    _exit(code)
  }
}
