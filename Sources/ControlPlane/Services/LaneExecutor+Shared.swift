// The control plane's executor for the revocation lane.

import StraitControlLink

extension LaneExecutor {
  static let shared = LaneExecutor("revocations")
}
