// Whom a join token lets in, decided from what is known of the token and of the key that comes with it.

import StraitProtocol

/// A decision without I/O.
struct JoinAdmission {
  let identity: EdgeIdentity
  /// For the audit log.
  let action: String

  /// - Parameters:
  ///   - holder: the edge that the key was certified for before
  ///   - newcomer: who a key becomes that nobody knows
  init(
    _ token: JoinTokenStore.State, holder: EdgeKeyStore.Holder?, newcomer: EdgeID
  ) throws(Refusal) {
    let hint = "make a new one with `strait edge invite`"
    if token.isExpired { throw Refusal(.unauthorised, "the join token has expired", hint: hint) }
    if let user = token.usedBy, user != holder?.identity.edge {
      throw Refusal(.unauthorised, "the join token was used already", hint: hint)
    }
    guard let holder else {
      identity = EdgeIdentity(edge: newcomer, region: try ResourceName(token.region, of: "region"))
      action = "edge.enrol"
      return
    }
    if holder.isEvicted {
      throw Refusal(
        .unauthorised, "the key belongs to an edge that was evicted",
        hint: "let the machine make a new key: remove its identity files, or its whole data folder")
    }
    guard holder.identity.region.text == token.region else {
      throw Refusal(
        .unauthorised,
        "the key belongs to an edge of \(holder.identity.region), and the join token is for \(token.region)",
        hint: "make a token for \(holder.identity.region)")
    }
    identity = holder.identity
    action = token.usedBy == nil ? "edge.enrol.again" : "edge.enrol.repeat"
  }

  static let unknownToken = Refusal(
    .unauthorised, "the join token is unknown",
    hint: "make one with `strait edge invite` and copy it whole")
}
