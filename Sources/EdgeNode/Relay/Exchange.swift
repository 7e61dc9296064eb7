// One client request and its answer, from the head to the usage record. This file has the states and the client's side
// up to a route; Exchange+Attempt.swift sends the request on, Exchange+Answer.swift brings the answer back.

import Glibc
import StraitProtocol

final class Exchange: RelayedStream {
  enum Phase {
    /// The request is coming in. Can transition to: attempting, answering, done.
    case reading
    /// An upstream has been asked, or a connection to it is awaited; a request that is streamed may still be coming in.
    /// Can transition to: answering, done.
    case attempting
    /// The client has been sent a head. Can transition to: done.
    case answering
    /// The client's answer is whole or broken off; only loose ends remain.
    case done
  }

  let worker: Worker
  let id: ExchangeID
  let startedAt: Int64
  let startedAtWallClock: Int64
  var slot = -1
  var phase = Phase.reading

  // Set stage by stage: each needs the one before.
  var endpoint = Endpoint.chatCompletions
  var caller: Caller?
  var policy: PolicyTables?
  private(set) var catalogue = Revision.initial
  var route: Route?
  /// The offer that is being tried, or was tried last, and where it leads.
  /// `policy` keeps both alive.
  unowned(unsafe) var offer: OfferEntry?
  unowned(unsafe) var upstreamEntry: UpstreamEntry?
  var pool: UpstreamPool?

  /// In memory of the pool from the moment the endpoint is known.
  private(set) var bodyReader: UnsafeMutablePointer<RequestBodyReader>?
  var bodyFault: BodyFault?
  /// What of its request is counted with what the process holds.
  var reservedBytes = 0
  /// It may hold its request beyond what the process should.
  var isExempt = false
  var isOverBudget = false
  /// The request has come to its end.
  var requestEnded = false
  var bodyIsForwarded = false
  /// All of the request is held still.
  var isReplayable = true
  /// Of a body that is streamed: how much of it has gone into `forwardedBody`, before changes.
  var passedOnBytes = 0
  var receivedBytes = 0
  var uncreditedBytes = 0
  /// When the request's last byte came or went, or the upstream was last heard of.
  var lastProgress: Int64

  /// In memory of the pool from the moment the answer's head is there.
  var responseReader: UnsafeMutablePointer<ResponseReader>?
  var isRecorded = false
  private(set) var clientProtocol = ClientProtocol.http2
  var outcome: ExchangeOutcome?
  var attempts: UInt8 = 0
  var isWaitingForConnection = false
  var reachedUpstream = false
  var firstByteAt: Int64 = 0
  var added = AddedLatency()
  var answerStatus = 0
  /// The caller is known and its model is not.
  var isModelMissing = false
  var upstreamStatus = 0
  var answerBytes: UInt64 = 0
  var uncreditedAnswer = 0
  /// What of the answer is counted with what the process holds.
  var countedAnswer = 0
  var isEventStream = false
  var responseFault = false
  /// How the client takes what waits for it.
  var pace = ReadingPace()

  init(worker: Worker) {
    self.worker = worker
    startedAt = worker.loop.now
    startedAtWallClock = worker.loop.wallClock
    lastProgress = worker.loop.now
    id = ExchangeID(now: worker.loop.wallClock, using: &worker.random.pointee)
  }

  deinit {
    releaseReader()
    releaseResponseReader()
    giveRoomBack()
  }

  var dialect: Dialect { endpoint.dialect }

  /// Nothing of the body is to be read any more.
  func releaseReader() {
    takeOutOfPool(bodyReader)
    bodyReader = nil
  }

  /// Nothing of the answer is to be read any more.
  func releaseResponseReader() {
    takeOutOfPool(responseReader)
    responseReader = nil
  }

  // MARK: Head

  override func requestHeadCutOff() {
    worker.counters.add(outcome: EdgeFault.headTooLarge.counterIndex)
  }

  override func requestHeadReceived(endsRequest: Bool) {
    worker.counters.add(.requests)
    requestEnded = endsRequest
    clientProtocol = client?.clientProtocol == .http1 ? .http1 : .http2
    if requestHeadTooLarge { return refuse(.headTooLarge) }
    if requestHeadInvalid { return refuse(.badRequest) }
    if !holdRequest() { return refuseForShortage() }
    let asksAnthropic = request.value(.anthropicVersion) != nil
    if asksAnthropic { endpoint = .messages }
    guard let path = request.value(.path), let method = request.value(.method) else {
      return refuse(.badRequest)
    }
    let target = RequestTarget(path)
    if let target { endpoint = target.endpoint }
    if worker.refusesRequests { return refuseForShortage() }
    let isModels = target?.endpoint == .models
    if isModels, asksAnthropic { endpoint = .messages }
    guard identify() else { return }
    guard let target else { return refuse(.unknownPath) }
    if isModels {
      guard method.equals("GET") || method.equals("HEAD") else {
        return refuse(.methodNotAllowed(allow: "GET, HEAD"))
      }
      return answerModels(
        target.modelID, dialect: asksAnthropic ? .anthropic : .openAI, isHead: method.equals("HEAD"))
    }
    guard method.equals("POST") else { return refuse(.methodNotAllowed(allow: "POST")) }
    guard checkBodyHeaders() else { return }
    bodyReader = placeInPool(RequestBodyReader(endpoint: endpoint))
    if endsRequest { return takeRequestEnd() }
    // An HTTP/1.1 session knows by itself when to say so.
    if clientProtocol == .http2, let expectation = request.value(.expect),
      expectation.equalsIgnoringCase("100-continue")
    {
      sendInformation(status: 100)
    }
  }

  /// Finds the caller by its key, with the connection's memory of its last key: a busy client is hashed once.
  private func identify() -> Bool {
    let policy = worker.policy
    guard policy.version > 0 else {
      // Without a configuration no key is known, and none is wrong.
      refuse(.notReady)
      return false
    }
    guard let key = presentedKey() else {
      refuse(.missingKey)
      return false
    }
    let memory = clientMemory
    if let memory, let remembered = memory.recall(key, policy: policy, now: startedAtWallClock) {
      caller = remembered
    } else {
      guard APIKey.isWellFormed(key) else {
        refuse(.malformedKey)
        return false
      }
      caller = policy.caller(KeyDigest(hashing: key), now: startedAtWallClock)
      if let caller { memory?.remember(key, caller: caller, policy: policy) }
    }
    guard let caller, worker.revoked.isEmpty || !worker.revoked.refuses(caller) else {
      self.caller = nil
      refuse(.unknownKey)
      return false
    }
    self.policy = policy
    catalogue = worker.catalogue
    guard !worker.isTooStale(for: caller) else {
      refuse(.staleConfiguration)
      return false
    }
    return true
  }

  private func presentedKey() -> UnsafeRawBufferPointer? {
    if let value = request.value(.authorization) {
      guard value.count > 7, UnsafeRawBufferPointer(rebasing: value[..<7]).equalsIgnoringCase("bearer ")
      else {
        return nil
      }
      return trimmed(value, 7, value.count)
    }
    return request.value(.xAPIKey)
  }

  private func checkBodyHeaders() -> Bool {
    if let type = request.value(.contentType), !isJSON(type) {
      refuse(.unsupportedContentType)
      return false
    }
    if let coding = request.value(.contentEncoding), !coding.equalsIgnoringCase("identity") {
      refuse(.unsupportedContentEncoding)
      return false
    }
    if let length = request.value(.contentLength)?.decimal, length > worker.limits.requestBodyBytes {
      refuse(.bodyTooLarge(limit: worker.limits.requestBodyBytes))
      return false
    }
    return true
  }

  // MARK: The client's end

  override func clientClosed() {
    guard !isRecorded || phase != .done else { return finishIfDetached() }
    if outcome == nil || outcome == .completed { outcome = .clientGone }
    letGoOfUpstream()
    writeRecord()
    phase = .done
    finishIfDetached()
  }

  // MARK: What the transport reports, told on to the stage it belongs to

  override func requestBodyReceived(_ bytes: UnsafeRawBufferPointer) { readRequestBody(bytes) }
  override func requestBodyProgressed() { takeRequestBody() }
  override func requestBroken() { noteRequestBroken() }
  override func requestEndReceived() { takeRequestEnd() }
  override func requestSent(_ count: Int) { noteRequestSent(count) }
  override func requestSentWhole() { noteRequestSentWhole() }
  override func upstreamStarted(on session: any UpstreamSide) { noteStarted() }
  override func upstreamHeadReceived(status: Int, endsAnswer: Bool) { takeAnswerHead(status: status) }
  override func upstreamInformationReceived(status: Int) { passInformationOn(status: status) }
  override func upstreamTrailersReceived() { takeTrailers() }
  override func upstreamBodyReceived(_ bytes: UnsafeRawBufferPointer) { readAnswerBody(bytes) }
  override func upstreamBodyProgressed() { passAnswerBodyOn() }
  override func upstreamEndReceived() { takeAnswerEnd() }
  override func upstreamFailed(_ failure: UpstreamFailure) { attemptFailed(failure) }
  override func answerTaken(_ count: Int) { noteAnswerTaken(count) }
  override func answerFinishing() { settle() }

  override func upstreamClosed() { finishIfDetached() }

  func letGoOfUpstream() {
    if isWaitingForConnection {
      isWaitingForConnection = false
      pool?.abandon(self)
    }
    upstream?.cancel(self)
  }

  func finishIfDetached() {
    if client == nil, upstream == nil, !isWaitingForConnection { worker.forget(self) }
  }

  // MARK: Limits on time

  func sweep(now: Int64) {
    let limits = worker.limits
    if phase == .done { return sweepAnswered(now: now) }
    if now - startedAt > limits.exchangeMicroseconds { return timeOut(.exchangeTimeout) }
    switch phase {
    case .reading:
      if now - lastProgress > limits.bodyGapMicroseconds { refuse(.requestTimeout) }
    case .attempting:
      // Of a streamed request it may be the client's turn.
      if !requestEnded, unsentCount == 0, reachedUpstream {
        guard now - lastProgress > limits.bodyGapMicroseconds else { return }
        letGoOfUpstream()
        refuse(.requestTimeout)
      } else if now - lastProgress > limits.firstByteMicroseconds {
        timeOut(.upstreamTimeout)
      }
    case .answering:
      releaseRoom(now: now)
      client?.releaseSentHead(self)
      if !pace.isEnough(worker.slowReader, now: now) {
        client?.abortSlowReader(self)
      } else if answerBody.isEmpty, !answerEnded, now - lastProgress > limits.chunkGapMicroseconds {
        timeOut(.upstreamTimeout)
      }
    case .done: break
    }
  }

  /// A client that has its answer may take a moment to see that the rest of its request is not wanted.
  private func sweepAnswered(now: Int64) {
    guard answerEnded, !requestEnded, let client,
      now - lastProgress > worker.limits.http1.refusedBodyMicroseconds
    else { return }
    requestEnded = true
    client.endRequest(self)
  }

  /// The caller's key is no longer valid.
  func revoke() {
    // The configuration says again what the revocation said, and the client may not have taken the answer's end by then.
    guard phase != .done, outcome != .keyRevoked else { return }
    outcome = .keyRevoked
    letGoOfUpstream()
    breakOff(.unknownKey)
  }

  private func timeOut(_ fault: EdgeFault) {
    outcome = .upstreamTimeout
    letGoOfUpstream()
    countInMidAnswer(fault)
    breakOff(fault)
  }
}

/// The proof that a caller's limits admit the exchange. Limits and budgets come with a later change; until then every
/// caller is admitted.
struct Permit {
  let caller: Caller
}

/// The offers that an admitted exchange may use, in order.
struct Route {
  let permit: Permit
  let offers: Range<Int>
  var next: Int

  init(permit: Permit, offers: Range<Int>) {
    self.permit = permit
    self.offers = offers
    next = offers.lowerBound
  }
}

/// What is remembered with a client's connection: where it comes from, the key that it presented last, and whose that is.
final class ClientMemory: ConnectionMemory {
  let address: ClientAddress
  /// It has been counted as a hoarder's.
  var isHoarder = false
  private let key = ByteQueue()
  private var caller: Caller?
  private var policySerial: UInt64 = 0

  init(address: ClientAddress) {
    self.address = address
  }

  func recall(_ presented: UnsafeRawBufferPointer, policy: PolicyTables, now: Int64) -> Caller? {
    // Another policy may have withdrawn the key.
    guard let caller, policySerial == policy.serial, caller.expiresAt > now else { return nil }
    let known = key.readable
    guard known.count == presented.count, let left = known.baseAddress, let right = presented.baseAddress
    else {
      return nil
    }
    var difference: UInt8 = 0
    for index in 0..<known.count {
      difference |=
        left.load(fromByteOffset: index, as: UInt8.self) ^ right.load(fromByteOffset: index, as: UInt8.self)
    }
    return difference == 0 ? caller : nil
  }

  func remember(_ presented: UnsafeRawBufferPointer, caller: Caller, policy: PolicyTables) {
    key.release()
    key.append(presented)
    self.caller = caller
    policySerial = policy.serial
  }
}

/// Whether a content type is JSON, whatever its parameters.
func isJSON(_ type: UnsafeRawBufferPointer) -> Bool {
  var end = 0
  while end < type.count, type[end] != UInt8(ascii: ";") { end += 1 }
  let essence = trimmed(type, 0, end)
  return essence.equalsIgnoringCase("application/json")
    || (essence.count > 17
      && UnsafeRawBufferPointer(rebasing: essence[..<12]).equalsIgnoringCase("application/")
      && UnsafeRawBufferPointer(rebasing: essence[(essence.count - 5)...]).equalsIgnoringCase("+json"))
}
