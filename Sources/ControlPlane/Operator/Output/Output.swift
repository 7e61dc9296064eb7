// Where a command's words go: data to standard output, everything else to standard error.

import AdminAPI
import Foundation

enum Output {
  /// Writes data that the operator asked for.
  static func write(_ text: String) throws(OperatorFault) {
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(1, $0.baseAddress, $0.count) }
      if count >= 0 {
        written += count
      } else if errno != EINTR {
        let reason = String(cString: strerror(errno))
        throw OperatorFault(
          "could not write the result to standard output: \(reason)",
          next: "see what was done with the matching list command before you run this one again")
      }
    }
  }

  /// A word to the person at the terminal.
  static func note(_ text: String) {
    FileHandle.standardError.write(Data((printable(text) + "\n").utf8))
  }

  static func fault(_ fault: OperatorFault) {
    FileHandle.standardError.write(Data(fault.text.utf8))
  }

  static func json(_ value: some Encodable) throws {
    try write(String(decoding: AdminJSON.encode(value, pretty: true), as: UTF8.self) + "\n")
  }

  /// A list: JSON when asked for, else a table, or what to do when there is nothing in it.
  static func list<Row: Encodable>(
    _ rows: [Row], json asJSON: Bool, empty: String, columns: [TableColumn<Row>]
  ) throws {
    // The encoder writes an empty array over three lines.
    if asJSON { return rows.isEmpty ? try write("[]\n") : try json(rows) }
    if rows.isEmpty { return note(empty) }
    try write(Table(rows, columns).rendered(width: terminalWidth))
  }

  /// nil when standard output is not a terminal.
  static var terminalWidth: Int? {
    guard isatty(1) == 1 else { return nil }
    var size = winsize()
    guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return Int(size.ws_col)
  }
}
