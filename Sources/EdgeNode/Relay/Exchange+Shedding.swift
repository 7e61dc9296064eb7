// Ending or refusing an exchange because its memory is needed.

extension Exchange {
  /// What the exchange holds of request and answer.
  var bufferedBytes: Int { body.count + forwardedBody.count + answerBody.count }

  /// Whose client it is, for counting by connection.
  var clientIdentity: ObjectIdentifier {
    client.map { ObjectIdentifier($0) } ?? ObjectIdentifier(self)
  }

  /// What of it counts against the process's budgets.
  var holding: Holding { Holding(requestBytes: reservedBytes, answerBytes: countedAnswer) }

  var clientMemory: ClientMemory? { client?.connectionMemory as? ClientMemory }

  /// There is no room for the request.
  func refuseForShortage() {
    worker.noteShortage(of: self)
    refuse(.overloaded)
  }

  /// Less than this is not worth counting.
  private static let usualAnswerBytes = 4096
  private static let roomKeptMicroseconds: Int64 = 500_000

  /// Counts what of the answer waits.
  func countAnswer() {
    let waiting = answerBody.count + (responseReader?.pointee.heldBytes ?? 0)
    let counted = waiting > Self.usualAnswerBytes ? waiting + answerBody.heldBytes - answerBody.count : 0
    guard counted != countedAnswer else { return }
    worker.heldAnswers.note(counted - countedAnswer)
    countedAnswer = counted
  }

  /// Counts nothing of it any more.
  func giveRoomBack() {
    giveReservationBack()
    if countedAnswer > 0 { worker.heldAnswers.note(-countedAnswer) }
    countedAnswer = 0
  }

  /// Between chunks that are far apart, room for a large one is not kept.
  func releaseRoom(now: Int64) {
    guard answerBody.isEmpty, answerBody.heldBytes > Self.usualAnswerBytes else { return }
    if now - lastProgress > Self.roomKeptMicroseconds { answerBody.release() }
  }

  /// Breaks the exchange off at once: an error that had to wait for a client that does not read would free nothing.
  func shed() {
    guard phase != .done else { return }
    worker.noteShortage(of: self)
    outcome = .edgeStopped
    letGoOfUpstream()
    releaseRequest()
    dropAnswer()
  }

  /// Ends the exchange with its record and without what waits of its answer: the client may take long to learn of it, and
  /// must not take what is left for an answer's end.
  func dropAnswer() {
    writeRecord()
    phase = .done
    answerEnded = false
    answerBody.release()
    releaseResponseReader()
    countAnswer()
    client?.abort(self)
  }
}
