// What keeps an edge from having a link, said to the person who runs it.

package enum UplinkError: Error, CustomStringConvertible, Equatable {
  case malformedAddress(String)
  case unreadableAuthority(path: String, reason: String)
  case noIdentity(folder: String)
  case refusedEnrolment(reason: String)
  case damagedIdentity(path: String, reason: String)
  case unusableEnrolment(reason: String)
  case evicted(folder: String)

  package var description: String {
    switch self {
    case .malformedAddress(let text):
      "the address \"\(text)\" is not of the form host:port, or [host]:port for IPv6; correct it in the configuration"
    case .unreadableAuthority(let path, let reason):
      "cannot use the authority file \(path): \(reason); it must hold the control plane's CA in PEM"
    case .noIdentity(let folder):
      "this edge has no identity in \(folder) and no join token; make one for its region with the control plane and "
        + "start the edge with it"
    case .refusedEnrolment(let reason):
      "the control plane refused the join token: \(reason); a token is good for one edge and a short time: make a new one"
    case .damagedIdentity(let path, let reason):
      "cannot use the stored identity \(path): \(reason); restore it, or remove the identity files and enrol again with "
        + "a new join token"
    case .unusableEnrolment(let reason):
      "the control plane's answer to the enrolment cannot be used: \(reason)"
    case .evicted(let folder):
      "an operator has evicted this edge from the fleet; to let the machine in again, as a new edge, start it with a new "
        + "join token (its identity is in \(folder))"
    }
  }
}
