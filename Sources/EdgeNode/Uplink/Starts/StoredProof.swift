// Which of its stored configurations an edge has lived with: a second name is given to the stored file, and becomes the
// previous good one's when the edge is still well some time later. Whatever is written meanwhile is for the next time, so
// that many changes in a row cost no more than one.

/// Decides only; names, clocks and counts are the caller's.
package struct StoredProof: Sendable {
  package enum Step: Equatable, Sendable {
    /// Give the stored file its second name.
    case name
    /// The file with the second name is the previous good one.
    case promote
  }

  private let seconds: Double
  private let exchanges: UInt64
  /// Of the stored file, of the one with the second name, and of the previous good one: how manieth it is.
  private var stored = 0
  private var named: (number: Int, at: Double, ended: UInt64)?
  private var proven = 0

  /// - Parameters:
  ///   - seconds: after so long it is proved
  ///   - exchanges: or after so many that ended well
  package init(seconds: Double, exchanges: UInt64) {
    self.seconds = seconds
    self.exchanges = exchanges
  }

  /// The stored file is another one now, and in force.
  /// - Parameter isProven: it is the previous good one itself
  package mutating func store(isProven: Bool = false) {
    stored += 1
    if isProven { proven = stored }
  }

  /// Whether time or exchanges may bring a step.
  package var isOpen: Bool { named != nil || stored != proven }

  /// What is to be done now, and is taken for done.
  package mutating func next(now: Double, ended: UInt64) -> Step? {
    guard let named else {
      guard stored != proven else { return nil }
      self.named = (stored, now, ended)
      return .name
    }
    guard now - named.at >= seconds || ended - min(ended, named.ended) >= exchanges else { return nil }
    proven = named.number
    self.named = nil
    return .promote
  }

  /// A step could not be done: this one is not tried again.
  package mutating func giveUp() {
    named = nil
    proven = stored
  }
}
