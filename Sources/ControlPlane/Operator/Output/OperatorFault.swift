// The one error that a command ends with: what failed on what and why, and what to do next.

/// Shown as `error: …` and `next: …`, one line each, on standard error. Holds no key, token or credential.
package struct OperatorFault: Error, Equatable, Sendable {
  /// What failed, on what, why: lower case, no full stop.
  package let message: String
  /// What the operator can do about it.
  package let next: String
  /// Lines that stand before the message, where there is more than one thing wrong.
  package let details: [String]

  package init(_ message: String, next: String, details: [String] = []) {
    self.message = message
    self.next = next
    self.details = details
  }

  package var text: String {
    (details + ["error: \(message)", "next: \(next)"]).map { printable($0) + "\n" }.joined()
  }
}

/// Text from outside, made fit for one line on a terminal: a control character could move the cursor or recolour it.
package func printable(_ text: String) -> String {
  guard text.unicodeScalars.contains(where: isUnprintable) else { return text }
  return String(String.UnicodeScalarView(text.unicodeScalars.map { isUnprintable($0) ? "\u{FFFD}" : $0 }))
}

private func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  // Format characters can turn the direction of the text around and so show another name than is there.
  case .control, .format, .lineSeparator, .paragraphSeparator: true
  default: false
  }
}
