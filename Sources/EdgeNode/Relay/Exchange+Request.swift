// Taking the request in. A body is held until it is whole, so that it can be sent again; a large one is passed on as it
// comes, no faster than its upstream takes it.

import StraitProtocol

extension Exchange {
  /// One exchange in so many is timed with a clock of its own.
  private static let measuredExchanges: UInt64 = 8
  /// Requests up to this size are not counted against what the process may hold.
  private static let usualBytes = 1536
  /// Larger bodies are passed on as they come where the process holds too much; smaller ones are refused.
  private static let heldWhenShort = 64 * 1024

  // MARK: The body

  func readRequestBody(_ bytes: UnsafeRawBufferPointer) {
    // Of what nobody wants none is progress.
    if phase != .done { lastProgress = worker.loop.now }
    receivedBytes += bytes.count
    uncreditedBytes += bytes.count
    guard takesRequest, receivedBytes <= worker.limits.requestBodyBytes, bodyFault == nil else { return }
    body.append(bytes)
    // What is beyond the budget is no more than one read: see `takeRequestBody`.
    if !holdRequest() { isOverBudget = true }
    if case .invalid(let fault) = bodyReader?.pointee.consume(bytes) { bodyFault = fault }
  }

  /// Somebody still wants what the client sends.
  private var takesRequest: Bool {
    switch phase {
    case .reading: true
    case .attempting: isStreamedUp
    case .answering: isStreamedUp && upstream != nil
    case .done: false
    }
  }

  func takeRequestBody() {
    guard takesRequest else { return passOver() }
    if let fault = requestFault {
      creditClient()
      return stopRequest(fault)
    }
    if isStreamedUp { return passRequestOn() }
    // Held small, a request costs less than it does an upstream.
    let longest = isOverBudget ? Self.heldWhenShort : worker.limits.replayBodyBytes
    if receivedBytes > longest, bodyReader?.pointee.knowsModel == true {
      isStreamedUp = true
      return chooseRoute()
    }
    // The body is held until it is whole, so the client's window is opened at once; what is held has its own limit.
    creditClient()
    if isOverBudget { refuseForShortage() }
  }

  private var requestFault: EdgeFault? {
    if receivedBytes > worker.limits.requestBodyBytes {
      return .bodyTooLarge(limit: worker.limits.requestBodyBytes)
    }
    return bodyFault.map { .body($0) }
  }

  /// An upstream that has been sent a part of the request must not take it for whole.
  private func stopRequest(_ fault: EdgeFault) {
    letGoOfUpstream()
    outcome = .clientError
    countInMidAnswer(fault)
    breakOff(fault)
  }

  /// The client has broken its request off by what it sent, and is told so where it has no answer yet.
  func noteRequestBroken() {
    guard phase != .done, !answerEnded else { return }
    outcome = .clientError
    if answerStatus == 0 { answerStatus = 400 }
  }

  /// An answer has gone already. A client that sends on regardless is cut off in the end.
  private func passOver() {
    creditClient()
    if receivedBytes > 2 * worker.limits.requestBodyBytes { client?.abort(self) }
  }

  func takeRequestEnd() {
    requestEnded = true
    guard takesRequest, let bodyReader else { return }
    worker.counters.add(.requestBytes, UInt64(receivedBytes))
    if id.low % Self.measuredExchanges == 0 { added.measure(from: worker.loop.now) }
    if case .invalid(let fault) = bodyReader.pointee.finish() { return stopRequest(.body(fault)) }
    if requestTrailers.count > 0 { ForwardedHeaders.removeForbidden(trailers: requestTrailers) }
    if isStreamedUp { passRequestOn() } else { chooseRoute() }
  }

  private func chooseRoute() {
    guard let policy, let caller, let bodyReader else { return refuse(.badRequest) }
    let decision = bodyReader.pointee.withModel { policy.models.route($0, dialect) }
    if case .offers = decision {} else { isModelMissing = true }
    switch decision {
    case .offers(let range):
      let permit = Permit(caller: caller)
      route = Route(permit: permit, offers: range)
      attempt()
    case .otherDialect: bodyReader.pointee.withModel { refuse(.modelInOtherDialect($0)) }
    case .unknownModel: bodyReader.pointee.withModel { refuse(.modelNotFound($0)) }
    }
  }

  // MARK: Passing it on as it comes

  /// What waits for the upstream of a request that is streamed; the client is not read on while there is more.
  private var requestHighWater: Int { worker.limits.streamBufferBytes }

  /// Moves what may go on to where the upstream's session takes it, a little at a time.
  func passRequestOn() {
    guard isStreamedUp, reachedUpstream, let upstream, let offer, let bodyReader else { return }
    let settled = requestEnded ? bodyReader.pointee.length : bodyReader.pointee.settledLength
    let room = requestHighWater - forwardedBody.count
    if room > 0, settled > passedOnBytes {
      let edits = bodyReader.pointee.edits(mapsModel: !offer.upstreamModel.isEmpty)
      let end = offer.upstreamModel.withUnsafeBytes { model in
        edits.write(
          body.readable, from: passedOnBytes, to: min(settled, passedOnBytes + room), upstreamModel: model,
          into: forwardedBody)
      }
      body.consume(end - passedOnBytes)
      passedOnBytes = end
      isReplayable = false
      if body.isEmpty { body.release() }
      _ = holdRequest()
    }
    forwardedEnded = requestEnded && body.isEmpty
    upstream.wake(self)
    guard forwardedBody.count + settled - passedOnBytes < requestHighWater else { return }
    creditClient()
    // What cannot go on yet is held as a whole body is, within the same budget.
    if isOverBudget, bodyReader.pointee.length - settled > requestHighWater {
      worker.noteShortage(of: self)
      stopRequest(.overloaded)
    }
  }

  func noteRequestSent(_ count: Int) {
    lastProgress = worker.loop.now
    guard phase == .attempting || phase == .answering else { return }
    if forwardedBody.count < requestHighWater / 2 { passRequestOn() }
  }

  /// The upstream has all of it. It could be sent again, but others may need the room.
  func noteRequestSentWhole() {
    if reservedBytes > 0, worker.heldRequests.isHalfUsed { releaseRequest() }
  }

  private func creditClient() {
    guard uncreditedBytes > 0 else { return }
    client?.credit(self, uncreditedBytes)
    uncreditedBytes = 0
  }

  // MARK: What is held

  /// Counts what is held of the request.
  /// - Returns: whether the process's budget allows for it
  func holdRequest() -> Bool {
    let held = request.listSize + held(body) + held(forwardedBody)
    if isExempt { return true }
    if held <= reservedBytes {
      worker.heldRequests.give(reservedBytes - held)
      reservedBytes = held
      return true
    }
    guard held > Self.usualBytes else { return true }
    if worker.heldRequests.take(held - reservedBytes) {
      reservedBytes = held
      return true
    }
    isExempt = worker.heldRequests.takeExemption(holding: held)
    return isExempt
  }

  /// Of a large block the pages that were never written are nobody's.
  private func held(_ queue: borrowing ByteQueue) -> Int { min(queue.heldBytes, queue.count + 4096) }

  func giveReservationBack() {
    if reservedBytes > 0 { worker.heldRequests.give(reservedBytes) }
    reservedBytes = 0
    if isExempt { worker.heldRequests.giveExemption() }
    isExempt = false
  }

  /// Nobody needs the request any more.
  func releaseRequest() {
    body.release()
    forwardedBody.release()
    forwardedOffset = 0
    isReplayable = false
    giveReservationBack()
    creditClient()
  }
}
