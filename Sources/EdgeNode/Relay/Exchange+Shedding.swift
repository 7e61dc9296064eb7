// Ending an exchange because its memory is needed.

extension Exchange {
  /// What the exchange holds of request and answer.
  var bufferedBytes: Int { body.count + forwardedBody.count + answerBody.count }

  /// Breaks the exchange off at once: an error that had to wait for a client that does not read would free nothing.
  func shed() {
    guard phase != .done else { return }
    outcome = .edgeStopped
    letGoOfUpstream()
    writeRecord()
    phase = .done
    client?.abort(self)
  }
}
