// Ending an exchange because its memory is needed.

extension Exchange {
  /// What the exchange holds of request and answer.
  var bufferedBytes: Int { body.count + forwardedBody.count + answerBody.count }

  /// Whose client it is, for counting by connection.
  var clientIdentity: ObjectIdentifier {
    client.map { ObjectIdentifier($0) } ?? ObjectIdentifier(self)
  }

  /// Less than this is not worth counting.
  private static let usualAnswerBytes = 4096

  /// Counts what of the answer waits.
  func countAnswer() {
    let waiting = answerBody.count
    let counted = waiting > Self.usualAnswerBytes ? waiting : 0
    guard counted != countedAnswer else { return }
    worker.heldAnswers.note(counted - countedAnswer)
    countedAnswer = counted
  }

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
