// The header fields that go with a fault's answer.

extension ErrorBody {
  /// Appends what tells a client whether and when to ask again, and which methods a path takes.
  package static func appendHeaders(_ fault: EdgeFault, into head: borrowing HeaderBlock) {
    if case .methodNotAllowed(let allow) = fault { head.append(.other, "allow", allow) }
    switch fault.retry {
    case .never: head.append(.other, "x-should-retry", "false")
    case .unspecified: break
    case .after(let seconds):
      head.append(.retryAfter, "retry-after", number: seconds)
      head.append(.other, "retry-after-ms", number: seconds * 1000)
    }
  }
}
