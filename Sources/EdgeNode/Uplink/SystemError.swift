// A refusal by the operating system, in words.

import Glibc

/// A system call that failed: which, on what, and the kernel's reason.
package struct SystemError: Error, CustomStringConvertible, Equatable {
  package let operation: String
  package let path: String
  package let code: Int32

  init(_ operation: String, _ path: String, code: Int32 = errno) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  package var description: String { "cannot \(operation) \(path): \(String(cString: strerror(code)))" }
}
