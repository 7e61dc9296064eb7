// How long ago the control plane last said that this edge is in step. Teams may refuse to be served beyond a limit, so
// whatever is in doubt makes it longer ago, never shorter.

/// Decides only; the readings of the clocks are passed in.
package struct LastWord: Sendable, Equatable {
  /// A reading, and how long ago the last word was then.
  package struct Stored: Sendable, Equatable {
    package var reading: ClockReading
    package var ageMicroseconds: Int64

    package init(reading: ClockReading, ageMicroseconds: Int64) {
      self.reading = reading
      self.ageMicroseconds = ageMicroseconds
    }
  }

  /// As the two clocks of this boot have it; before 0 where it was before the boot. Nil where there was none.
  private var heard: (sinceBoot: Int64, wall: Int64)?
  private let began: Int64

  /// No word yet.
  package init(beginning now: ClockReading) {
    began = now.sinceBoot
  }

  /// What a process before this one knew. Nothing where the clocks do not tell how long that was ago.
  package init(_ stored: Stored, beginning now: ClockReading) {
    self.init(beginning: now)
    guard stored.ageMicroseconds >= 0, let since = now.microseconds(since: stored.reading) else { return }
    let (age, overflow) = since.addingReportingOverflow(stored.ageMicroseconds)
    guard !overflow else { return }
    heard = (now.sinceBoot.subtractingSaturating(age), now.wall.subtractingSaturating(age))
  }

  /// Takes a word that answers a report. It counts from when the report was made, because it may have been long on its
  /// way.
  /// - Parameter mark: the `sinceBoot` of that moment
  /// - Returns: whether it is one that this process can have got
  package mutating func take(mark: Int64, now: ClockReading) -> Bool {
    guard mark >= began, mark <= now.sinceBoot else { return false }
    if let heard, heard.sinceBoot >= mark { return true }
    heard = (mark, now.wall.subtractingSaturating(now.sinceBoot - mark))
    return true
  }

  /// As if there had never been one.
  package mutating func forget() { heard = nil }

  /// - Returns: nil where there was none
  package func ageMicroseconds(_ now: ClockReading) -> Int64? {
    guard let heard else { return nil }
    return max(
      0, now.sinceBoot.subtractingSaturating(heard.sinceBoot), now.wall.subtractingSaturating(heard.wall))
  }

  package func stored(_ now: ClockReading) -> Stored? {
    ageMicroseconds(now).map { Stored(reading: now, ageMicroseconds: $0) }
  }

  package static func == (left: LastWord, right: LastWord) -> Bool {
    left.began == right.began && left.heard?.sinceBoot == right.heard?.sinceBoot
      && left.heard?.wall == right.heard?.wall
  }
}
