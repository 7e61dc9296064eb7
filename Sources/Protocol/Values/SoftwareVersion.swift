// The version of this software, the same for the edge, the control plane and the operator's command.

package enum SoftwareVersion {
  /// `major.minor.patch`. Told at enrolment, in status documents and by `--version`.
  package static let current = "0.1.0"
}
