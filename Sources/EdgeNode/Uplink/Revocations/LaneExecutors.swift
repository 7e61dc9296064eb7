// The edge's executors for the revocation lane.

import StraitControlLink

extension LaneExecutor {
  static let watching = LaneExecutor("revocations")
  /// Apart from the other: a slow disk must not hold up what is to be enforced next.
  static let storing = LaneExecutor("revocations on disk")
}
