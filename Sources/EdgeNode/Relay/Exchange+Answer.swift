// Bringing the answer back, whether it is the upstream's or the edge's own, and settling the exchange with its record.

import StraitProtocol

extension Exchange {
  /// The upstream is not read on while more than this waits for the client and the process holds much for clients;
  /// `streamBufferBytes` while it does not.
  private static let sparingHighWater = 8 * 1024

  // MARK: The upstream's answer

  func takeAnswerHead(status: Int) {
    guard phase == .attempting, let upstreamEntry else { return }
    phase = .answering
    lastProgress = worker.loop.now
    upstreamStatus = status
    let type = upstreamHead.value(.contentType)
    isEventStream = type.map { $0.starts(with: "text/event-stream") } ?? false
    responseReader = placeInPool(
      ResponseReader(
        endpoint: endpoint, streamed: isEventStream, status: UInt16(clamping: status),
        hideUsage: bodyReader?.pointee.mustHideUsage ?? false, isJSON: type.map(isJSON) ?? false))
    writeAnswerHead(status: status, upstream: upstreamEntry, keepsLength: !isEventStream)
    // While it is in the processor's cache.
    upstreamHead.release()
    // Past this point there is no other attempt.
    if requestIsSent {
      releaseRequest()
      releaseReader()
      request.release()
    }
    client?.sendHead(self, ends: false)
  }

  /// A 100 answers our request, not the client's: the edge has asked the client for its body itself.
  func passInformationOn(status: Int) {
    // It is no sign of the answer: the wait for that goes on.
    guard phase == .attempting, status > 101 else { return }
    let head = HeaderBlock()
    head.append(.status, ":status", number: status)
    ForwardedHeaders.appendAnswer(upstreamHead, keepsLength: false, into: head)
    client?.sendInformation(self, head)
  }

  func sendInformation(status: Int) {
    let head = HeaderBlock()
    head.append(.status, ":status", number: status)
    client?.sendInformation(self, head)
  }

  func takeTrailers() {
    guard phase == .answering, !answerEnded else { return }
    ForwardedHeaders.appendTrailers(upstreamHead, into: answerTrailers)
    upstreamHead.release()
  }

  func readAnswerBody(_ bytes: UnsafeRawBufferPointer) {
    lastProgress = worker.loop.now
    if firstByteAt == 0 {
      firstByteAt = worker.loop.now
      added.goOn(from: firstByteAt)
    }
    uncreditedAnswer += bytes.count
    worker.counters.add(.upstreamBytes, UInt64(bytes.count))
    guard phase == .answering, !responseFault else { return }
    if responseReader?.pointee.consume(bytes, into: answerBody) == .malformed { responseFault = true }
  }

  func passAnswerBodyOn() {
    guard phase == .answering else { return }
    if responseFault {
      outcome = .upstreamMalformed
      letGoOfUpstream()
      breakOff(.upstreamMalformed)
      return
    }
    creditUpstream()
    noteWaiting()
    client?.wake(self)
  }

  /// Bytes wait for the client, the upstream's or the edge's own: it has to take them, and they count.
  private func noteWaiting() {
    if !answerBody.isEmpty { pace.begin(now: worker.loop.now) }
    countAnswer()
  }

  func takeAnswerEnd() {
    guard phase == .answering else { return }
    lastProgress = worker.loop.now
    let end = responseReader?.pointee.finish(into: answerBody) ?? .complete
    switch end {
    case .complete:
      let isError = upstreamStatus >= 400 || responseReader?.pointee.sawError == true
      outcome = isError ? .upstreamError : .completed
    case .cut: outcome = .upstreamCut
    case .malformed: outcome = .upstreamMalformed
    }
    // Nobody wants the rest of a request that has its answer.
    if !requestIsSent {
      upstream?.cancel(self)
      releaseRequest()
    }
    if end != .complete, isEventStream { return breakOff(end == .cut ? .upstreamCut : .upstreamMalformed) }
    if end == .cut, endedWithConnection { return breakOff(.upstreamCut) }
    endAnswer()
  }

  /// The upstream's stream broke after its head.
  func answerBroke(_ failure: UpstreamFailure) {
    guard phase == .answering, !answerEnded else { return finishIfDetached() }
    outcome = failure.outcome
    // A stream that had said its last word is whole, however its connection ended.
    if isEventStream, responseReader?.pointee.finish(into: answerBody) == .complete {
      outcome = .completed
      return endAnswer()
    }
    breakOff(failure.fault)
  }

  /// Ends the exchange so that the client cannot take the answer for whole: an error of its own where no head has gone,
  /// an error event where events flow, a broken stream otherwise.
  func breakOff(_ fault: EdgeFault) {
    switch phase {
    case .reading, .attempting: refuse(fault)
    case .answering:
      guard !answerEnded else {
        // The answer is whole; the client does not take it.
        client?.abort(self)
        return
      }
      guard isEventStream else { return dropAnswer() }
      ErrorBody.appendEvent(fault, dialect: dialect, endpoint: endpoint, requestID: id, into: answerBody)
      endAnswer()
    case .done: break
    }
  }

  /// Counts a limit that breaks an answer off on its way; one that is met before that becomes a refusal, which counts.
  func countInMidAnswer(_ fault: EdgeFault) {
    if phase == .answering, !answerEnded { worker.counters.add(outcome: fault.counterIndex) }
  }

  private func endAnswer() {
    // The end may have brought bytes that had been held back.
    noteWaiting()
    answerEnded = true
    client?.wake(self)
  }

  // MARK: Backpressure

  func noteAnswerTaken(_ count: Int) {
    answerBytes &+= UInt64(count)
    if added.isRunning {
      added.pause(at: monotonicMicroseconds())
      worker.handle.timings.added.observe(added.microseconds)
    }
    countAnswer()
    if answerBody.isEmpty { pace.end() } else { pace.took(count, now: worker.loop.now) }
    creditUpstream()
  }

  private var mayReadOn: Bool {
    let waiting = answerBody.count
    guard waiting < worker.limits.streamBufferBytes else { return false }
    return waiting < Self.sparingHighWater || !worker.heldAnswers.isHalfUsed
  }

  private func creditUpstream() {
    guard uncreditedAnswer > 0, mayReadOn, let upstream else { return }
    let count = uncreditedAnswer
    uncreditedAnswer = 0
    upstream.credit(self, count)
  }

  // MARK: The edge's own answers

  /// Answers with an error in the client's dialect.
  func refuse(_ fault: EdgeFault) {
    guard phase == .reading || phase == .attempting else { return }
    if outcome == nil { outcome = .clientError }
    worker.counters.add(outcome: fault.counterIndex)
    phase = .answering
    beginHead(status: fault.status)
    answer.append(.contentType, "content-type", "application/json")
    ErrorBody.appendHeaders(fault, into: answer)
    ErrorBody.append(fault, dialect: dialect, requestID: id, into: answerBody)
    answer.append(.contentLength, "content-length", number: answerBody.count)
    appendOwnFields(region: nil)
    let isHead = request.value(.method)?.equals("HEAD") ?? false
    if isHead { answerBody.release() }
    // The answer may wait long for a client that does not read.
    releaseRequest()
    releaseReader()
    request.release()
    answerEnded = true
    noteWaiting()
    client?.sendHead(self, ends: isHead)
  }

  func answerModels(_ modelID: UnsafeRawBufferPointer?, dialect: Dialect, isHead: Bool) {
    guard let policy else { return }
    var document = policy.models.list(dialect)
    if let modelID {
      guard let name = percentDecoded(modelID),
        let listing = name.withUnsafeBytes({ policy.models.listing($0, dialect) })
      else { return refuse(.modelNotFound(modelID)) }
      document = listing
    }
    phase = .answering
    outcome = .completed
    beginHead(status: 200)
    answer.append(.contentType, "content-type", "application/json")
    answer.append(.contentLength, "content-length", number: document.count)
    appendOwnFields(region: nil)
    if !isHead { document.withUnsafeBytes { answerBody.append($0) } }
    answerEnded = true
    noteWaiting()
    client?.sendHead(self, ends: isHead)
  }

  // MARK: Heads

  private func writeAnswerHead(status: Int, upstream: UpstreamEntry, keepsLength: Bool) {
    beginHead(status: status)
    ForwardedHeaders.appendAnswer(upstreamHead, keepsLength: keepsLength, into: answer)
    appendOwnFields(region: upstream.region)
    if let id = upstreamHead.value(.xRequestID) ?? upstreamHead.value(.requestID) {
      answer.append(.xStrait, "x-strait-upstream-request-id", unique: id)
    }
  }

  private func beginHead(status: Int) {
    answerStatus = status
    worker.counters.add(status: status)
    answer.removeAll()
    answer.append(.status, ":status", number: status)
  }

  private func appendOwnFields(region: String?) {
    withUnsafeTemporaryAllocation(byteCount: 36, alignment: 1) { space in
      id.write(into: space)
      let text = UnsafeRawBufferPointer(space)
      answer.append(.xRequestID, "x-request-id", unique: text)
      // Anthropic's SDK looks for its own name.
      if dialect == .anthropic { answer.append(.requestID, "request-id", unique: text) }
    }
    worker.edgeName.withUnsafeBytes { answer.append(.xStrait, "x-strait-edge", $0) }
    if var region {
      region.withUTF8 { answer.append(.xStrait, "x-strait-region", UnsafeRawBufferPointer($0)) }
    }
  }

  // MARK: The record

  func settle() {
    guard phase == .answering else { return }
    writeRecord()
    phase = .done
    lastProgress = worker.loop.now
  }

  /// Writes the usage record, once. Exchanges that chose no offer have none.
  func writeRecord() {
    guard !isRecorded else { return }
    isRecorded = true
    // Who has no key says nothing about the configuration, however often.
    if caller != nil {
      worker.counters.add(.exchangesEnded)
      if isFault { worker.counters.add(.exchangesFailed) }
      // What began under other offers says nothing about those in force.
      if catalogue == worker.catalogue {
        worker.counters.add(.exchangesJudged)
        if isFault { worker.counters.add(.exchangesJudgedFailed) }
      }
    }
    guard let caller, let offer, let upstreamEntry else { return }
    var record = UsageRecord(
      id: id, teamID: caller.teamID, keyID: caller.keyID, offerID: offer.id, upstreamID: upstreamEntry.id,
      startedAt: startedAtWallClock, endpoint: endpoint, clientProtocol: clientProtocol)
    record.streamed = isEventStream
    let now = worker.loop.now
    record.durationMicroseconds = UInt64(max(0, now - startedAt))
    record.firstByteMicroseconds = firstByteAt == 0 ? 0 : UInt64(max(0, firstByteAt - startedAt))
    record.status = UInt16(clamping: answerStatus)
    record.upstreamStatus = UInt16(clamping: upstreamStatus)
    record.outcome = outcome ?? .completed
    record.attempts = attempts
    record.requestBytes = UInt64(receivedBytes)
    record.responseBytes = answerBytes + UInt64(answerBody.count)
    record.tokens = tokens()
    worker.counters.add(outcome: record.outcome.rawValue)
    worker.counters.add(.exchangesRecorded)
    worker.counters.add(.responseBytes, record.responseBytes)
    if firstByteAt != 0 { worker.handle.timings.firstByte.observe(firstByteAt - startedAt) }
    worker.accessLog?.append(record)
    worker.sink.append(record)
  }

  /// Whether the edge or an upstream was at fault: what an operator wants to see rise after a bad change.
  private var isFault: Bool {
    switch outcome {
    case .upstreamUnreachable, .upstreamCut, .upstreamMalformed, .upstreamTimeout: true
    case .upstreamError: !Self.clientsFaults.contains(upstreamStatus)
    // An answer of the edge's own that only an edge can need; or a model that nobody offers, which a client may have
    // misspelt, but many at once have not.
    case .clientError: answerStatus >= 500 || isModelMissing
    case .completed, .clientGone, .edgeStopped, .interrupted, .keyRevoked, nil: false
    }
  }

  /// Statuses of an upstream that say that the request was wrong. A refused credential or an unknown model is not among
  /// them: those come from the configuration.
  private static let clientsFaults: [Int] = [400, 409, 411, 413, 414, 415, 422, 431]

  /// What the upstream counted, or an estimate where a model has worked and the upstream has not said how much.
  private func tokens() -> TokenCounts {
    var counts = responseReader?.pointee.tokens ?? TokenCounts()
    guard counts.source == .none || outcome == .clientGone || outcome == .upstreamCut else { return counts }
    let mayHaveWorked = outcome == .clientGone && upstreamStatus == 0 && requestEnded
    let hasWorked = upstreamStatus >= 200 && upstreamStatus < 300 || mayHaveWorked
    guard hasWorked, reachedUpstream, endpoint != .countTokens else { return counts }
    if counts.source == .provider, responseReader?.pointee.sawTerminal == true { return counts }
    let estimate = TokenEstimate(
      requestBytes: receivedBytes, outputEvents: responseReader?.pointee.outputEvents ?? 0,
      outputBytes: responseReader?.pointee.outputBytes ?? 0)
    counts.source = .estimated
    if counts.input == 0 { counts.input = estimate.input }
    counts.output = max(counts.output, estimate.output)
    return counts
  }
}

/// A guess at token counts from sizes: about four bytes of text a token, and no fewer than the events that brought it.
struct TokenEstimate {
  let input: UInt64
  let output: UInt64

  init(requestBytes: Int, outputEvents: UInt64, outputBytes: UInt64) {
    input = UInt64(max(1, requestBytes / 4))
    output = outputBytes == 0 && outputEvents == 0 ? 0 : max(outputEvents, (outputBytes + 3) / 4)
  }
}
