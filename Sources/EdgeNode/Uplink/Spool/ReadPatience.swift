// When to give up what the disk does not give back.

import Glibc

/// Counts failures in a row. Decides only.
struct ReadPatience {
  private var failures = 0

  /// - Returns: true when what could not be read is to be given up; counting begins anew then
  mutating func failed(_ error: SystemError, limits: SpoolLimits) -> Bool {
    guard error.isDamage else { return false }
    failures += 1
    guard failures >= limits.readAttempts else { return false }
    failures = 0
    return true
  }

  mutating func succeeded() {
    failures = 0
  }
}

extension SystemError {
  /// The disk or its file system fails, or the records are gone. All else is a matter of the process or the machine, such
  /// as a lack of descriptors, memory or permission, and says nothing against the records.
  var isDamage: Bool { [EIO, EUCLEAN, EBADMSG].contains(code) || isGone }

  /// There is no such file, or it ends before the place that was to be read.
  var isGone: Bool { code == ENOENT || code == ENODATA }
}
