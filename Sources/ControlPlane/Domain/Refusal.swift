// Why a request cannot be met, in words for the person who asked. Servers map the kind to a status of their protocol.

/// A refusal that is the asker's to mend. Its words never repeat a secret that the request carried.
package struct Refusal: Error, Sendable, Equatable {
  package enum Kind: Sendable {
    case invalid
    case unauthorised
    case notFound
    case conflict
    case tooLarge
    case unavailable
  }

  package var kind: Kind
  /// What failed, on what, and why: lower case, no full stop.
  package var message: String
  /// What to do next.
  package var hint: String?

  package init(_ kind: Kind, _ message: String, hint: String? = nil) {
    self.kind = kind
    self.message = message
    self.hint = hint
  }

  package static func invalid(_ message: String, hint: String? = nil) -> Refusal {
    Refusal(.invalid, message, hint: hint)
  }
}

extension Refusal: CustomStringConvertible {
  package var description: String { hint.map { "\(message) (\($0))" } ?? message }
}
