// Secrets come from files and standard input, never from an argument: arguments stand in the list of processes and in
// the shell's history, where others can read them.

import Foundation

/// A token or a credential. Does not print.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package let text: String

  package var description: String { "<hidden>" }
  package var debugDescription: String { "<hidden>" }
  package var customMirror: Mirror { Mirror(self, children: []) }

  package static let maximumBytes = 16384

  /// - Parameters:
  ///   - bytes: the text, with white space around it that is dropped
  ///   - source: what it was read from, for the error
  package init(_ bytes: some Collection<UInt8>, source: String) throws(OperatorFault) {
    let isBlank = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
    let trimmed = Array(Array(bytes.drop(while: isBlank)).reversed().drop(while: isBlank).reversed())
    guard !trimmed.isEmpty else {
      throw OperatorFault("\(source) is empty", next: "put the secret there, on one line")
    }
    // It becomes a header's value: anything but visible ASCII would be refused or would split the header.
    guard trimmed.count <= Self.maximumBytes, trimmed.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw OperatorFault(
        "\(source) does not hold one secret: a secret is one line of visible ASCII without blanks",
        next: "check that it is the right file and holds nothing else")
    }
    text = String(decoding: trimmed, as: UTF8.self)
  }

  /// Reads a secret from a file that others may not read.
  /// - Parameter what: `token` or `credential`
  package static func read(file path: String, what: String) throws(OperatorFault) -> Secret {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw OperatorFault(
        "could not open the \(what) file \(path): \(String(cString: strerror(errno)))",
        next: "check the path and that you may read it")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw OperatorFault("the \(what) file \(path) is not a file", next: "give the path of a plain file")
    }
    // Asked of the open file, so that it cannot be exchanged in between.
    guard status.st_mode & 0o007 == 0 else {
      throw OperatorFault(
        "the \(what) file \(path) is open to every user of this machine (mode \(octal(status.st_mode)))",
        next: "chmod 600 \(path), and replace the \(what) if others may have read it")
    }
    return try Secret(
      readAll(descriptor, source: "the \(what) file \(path)"), source: "the \(what) file \(path)")
  }

  /// Reads a secret that is piped in.
  package static func readStandardInput(what: String) throws(OperatorFault) -> Secret {
    guard isatty(0) == 0 else {
      throw OperatorFault(
        "the \(what) would be shown on the terminal while you type it",
        next: "pipe it in, as in: strait … --\(what)-stdin < FILE")
    }
    return try Secret(readAll(0, source: "standard input"), source: "standard input")
  }

  private static func readAll(_ descriptor: CInt, source: String) throws(OperatorFault) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while bytes.count <= maximumBytes + 4096 {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count == 0 { return bytes }
      if count > 0 {
        bytes += chunk[..<count]
      } else if errno != EINTR {
        throw OperatorFault(
          "could not read \(source): \(String(cString: strerror(errno)))", next: "check it and try again")
      }
    }
    throw OperatorFault("\(source) is too large for a secret", next: "check that it is the right file")
  }

  private static func octal(_ mode: mode_t) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}
