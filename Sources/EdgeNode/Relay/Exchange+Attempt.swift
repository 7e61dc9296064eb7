// Sending the request on: one attempt for each offer, and another for a connection that turned out to be stale.

import StraitProtocol

extension Exchange {
  private func takeNextOffer() -> Bool {
    guard let route, let policy, route.next < route.offers.upperBound else { return false }
    let next = policy.models.offers[route.next]
    let entry = policy.upstreams[next.upstreamIndex]
    guard let pool = worker.pool(entry, at: next.upstreamIndex, in: policy) else { return false }
    offer = next
    upstreamEntry = entry
    self.pool = pool
    return true
  }

  /// Asks the current offer's upstream.
  /// - Parameter fresh: on a connection that has not served before
  func attempt(fresh: Bool = false) {
    guard takeNextOffer(), let offer, let upstreamEntry, let pool, let bodyReader else {
      return refuse(.noOffer)
    }
    phase = .attempting
    attempts += 1
    lastProgress = worker.loop.now
    prepareBody(for: offer, bodyReader)
    ForwardedHeaders.writeRequest(
      request, to: upstreamEntry, path: endpoint.path, query: query, bodyCount: forwardedCount,
      into: forwarded)
    upstreamHead.removeAll()
    isWaitingForConnection = true
    pool.start(self, fresh: fresh, replayable: !isStreamedUp)
  }

  /// The length that the upstream is told. HTTP/1.1 has trailers only where it is told none.
  private var forwardedCount: Int? {
    isStreamedUp || requestTrailers.count > 0 ? nil : forwardedBody.count
  }

  private var query: UnsafeRawBufferPointer {
    request.value(.path).flatMap { RequestTarget($0)?.query } ?? UnsafeRawBufferPointer(start: nil, count: 0)
  }

  /// Puts the body as this offer wants it into `forwardedBody`; unchanged bytes are moved, not copied.
  private func prepareBody(
    for offer: OfferEntry, _ bodyReader: UnsafeMutablePointer<RequestBodyReader>
  ) {
    if isStreamedUp {
      forwardedEnded = false
      return
    }
    if bodyIsForwarded {
      body.exchange(with: forwardedBody)
      bodyIsForwarded = false
    }
    forwardedOffset = 0
    let edits = bodyReader.pointee.edits(mapsModel: !offer.upstreamModel.isEmpty)
    if edits.isEmpty {
      body.exchange(with: forwardedBody)
      bodyIsForwarded = true
      return
    }
    forwardedBody.release()
    offer.upstreamModel.withUnsafeBytes { model in
      _ = forwardedBody.reserve(edits.forwardedLength(of: body.count, upstreamModel: model))
      edits.write(body.readable, upstreamModel: model, into: forwardedBody)
    }
  }

  // MARK: What becomes of it

  func noteStarted() {
    isWaitingForConnection = false
    reachedUpstream = true
    if added.isRunning { added.pause(at: monotonicMicroseconds()) }
    lastProgress = worker.loop.now
    passRequestOn()
  }

  func attemptFailed(_ failure: UpstreamFailure) {
    isWaitingForConnection = false
    guard phase == .attempting else { return answerBroke(failure) }
    if failure == .staleConnection, isReplayable, attempts < worker.limits.attempts {
      worker.counters.add(.retries)
      return attempt(fresh: true)
    }
    // The request has reached nobody, so another offer may have it.
    if failure.reachedNobody, let route, route.next + 1 < route.offers.upperBound,
      attempts < worker.limits.attempts, isReplayable
    {
      self.route?.next += 1
      worker.counters.add(.retries)
      return attempt()
    }
    outcome = failure.outcome
    refuse(failure.fault)
  }
}

extension UpstreamFailure {
  var reachedNobody: Bool {
    switch self {
    case .nameNotResolved, .addressRefused, .connectFailed, .connectTimeout, .tlsFailed, .poolFull: true
    case .staleConnection, .closed, .reset, .malformed: false
    }
  }

  var outcome: ExchangeOutcome {
    switch self {
    case .nameNotResolved, .addressRefused, .connectFailed, .tlsFailed, .poolFull: .upstreamUnreachable
    case .connectTimeout: .upstreamTimeout
    case .staleConnection, .closed, .reset: .upstreamCut
    case .malformed: .upstreamMalformed
    }
  }

  /// What the client is told when there is no other offer.
  var fault: EdgeFault {
    switch self {
    case .nameNotResolved, .addressRefused, .connectFailed, .tlsFailed: .upstreamUnreachable
    case .connectTimeout: .upstreamTimeout
    case .poolFull: .overloaded
    case .staleConnection, .closed, .reset: .upstreamCut
    case .malformed: .upstreamMalformed
    }
  }
}
