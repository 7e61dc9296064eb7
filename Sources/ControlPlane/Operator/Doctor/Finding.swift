// One line of `strait doctor`.

/// What one check found, and what to do where it is not well.
package struct Finding: Encodable, Equatable, Sendable {
  package enum Result: String, Encodable, Sendable {
    case ok
    /// Works, but wants looking at, or is not set up yet.
    case warn
    case fail
    /// Not looked at, because an earlier check failed that it stands on.
    case skip
  }

  package let check: String
  package let result: Result
  package let message: String
  package let next: String?

  package static func ok(_ check: String, _ message: String) -> Finding {
    Finding(check: check, result: .ok, message: message, next: nil)
  }

  package static func warn(_ check: String, _ message: String, next: String) -> Finding {
    Finding(check: check, result: .warn, message: message, next: next)
  }

  package static func fail(_ check: String, _ message: String, next: String) -> Finding {
    Finding(check: check, result: .fail, message: message, next: next)
  }

  package static func fail(_ check: String, _ fault: OperatorFault) -> Finding {
    Finding(check: check, result: .fail, message: fault.message, next: fault.next)
  }

  package static func skip(_ check: String, after earlier: String) -> Finding {
    Finding(check: check, result: .skip, message: "not looked at: \(earlier) failed", next: nil)
  }

  package var text: String {
    let lines = [
      result.rawValue.padded(to: 4) + "  " + check.padded(to: 12) + "  " + printable(message),
      next.map { String(repeating: " ", count: 20) + "next: " + printable($0) },
    ]
    return lines.compactMap { $0.map { $0 + "\n" } }.joined()
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
