// Whether a peer takes what waits for it. One that takes nothing is given up; so is one that takes a byte now and then to
// look alive.

package struct SlowReaderLimit: BitwiseCopyable {
  /// Without a single byte taken.
  package let silenceMicroseconds: Int64
  /// At least so many bytes have to be taken in each window while bytes wait.
  package let floorBytes: Int
  package let floorMicroseconds: Int64

  package init(silenceMicroseconds: Int64, floorBytes: Int, floorMicroseconds: Int64) {
    self.silenceMicroseconds = silenceMicroseconds
    self.floorBytes = floorBytes
    self.floorMicroseconds = floorMicroseconds
  }
}

package struct ReadingPace: BitwiseCopyable {
  /// When the last byte was taken, or bytes began to wait; 0 while none wait.
  private var lastTakenAt: Int64 = 0
  private var windowBeganAt: Int64 = 0
  private var takenInWindow = 0

  package init() {}

  /// Bytes wait from now on.
  package mutating func begin(now: Int64) {
    guard lastTakenAt == 0 else { return }
    lastTakenAt = now
    windowBeganAt = now
    takenInWindow = 0
  }

  package mutating func took(_ count: Int, now: Int64) {
    guard lastTakenAt != 0, count > 0 else { return }
    lastTakenAt = now
    takenInWindow += count
  }

  /// Nothing waits any more.
  package mutating func end() {
    lastTakenAt = 0
  }

  package mutating func isEnough(_ limit: SlowReaderLimit, now: Int64) -> Bool {
    guard lastTakenAt != 0 else { return true }
    if now - lastTakenAt > limit.silenceMicroseconds { return false }
    guard now - windowBeganAt >= limit.floorMicroseconds else { return true }
    guard takenInWindow >= limit.floorBytes || takenInWindow == 0 else { return false }
    windowBeganAt = now
    takenInWindow = 0
    return true
  }
}
