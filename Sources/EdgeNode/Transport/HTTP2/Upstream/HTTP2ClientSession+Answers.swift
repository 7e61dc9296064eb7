// Answers of an upstream: heads, bodies and trailers, told to the relay as they come.

import CLinux

extension HTTP2ClientSession {
  // MARK: Heads

  func headBegan(_ frame: HTTP2FrameHeader) {
    state.pointee.headBeganAt = connection.loop.now
    let entry = state.pointee.streams.find(frame.streamID)
    state.pointee.head = HeadUnderWay(
      streamID: frame.streamID, stream: entry, ends: frame.flags & HTTP2FrameHeader.endStream != 0,
      rules: AnswerHeadRules(trailers: entry?.pointee.hasFinalHead ?? false))
    guard let entry else { return tolerate(frame.streamID) }
    if entry.pointee.hasAnswer { return endConnection(.streamClosed) }
    // It has waited for its answer, and has left the processor's cache meanwhile.
    strait_prefetch(entry.pointee.relayed.toOpaque(), RelayedStream.prefetchedBytes)
  }

  func headGoesOn() {
    state.pointee.head.continuations += 1
    if state.pointee.head.continuations > limits.continuationFrames { endConnection(.enhanceYourCalm) }
  }

  /// A HEADERS or CONTINUATION frame is whole.
  func headReceived(_ frame: HTTP2FrameHeader, _ payload: UnsafeRawBufferPointer) {
    var rest = payload
    if frame.type == HTTP2FrameHeader.headers, frame.flags & Self.decorated != 0 {
      guard let fragment = Self.fragment(frame, payload) else { return endConnection(.protocolError) }
      rest = fragment
    }
    let isLast = frame.flags & HTTP2FrameHeader.endHeaders != 0
    while !state.pointee.isOver {
      switch state.pointee.decoder.next(&rest, isLast: isLast) {
      case .field: fieldReceived()
      case .done: return headDone()
      case .needMore: return
      case .failed: return endConnection(.compressionError)
      }
    }
  }

  private static var decorated: UInt8 { HTTP2FrameHeader.padded | HTTP2FrameHeader.hasPriority }

  /// A HEADERS frame's part of the block, without padding and priority; nil where they leave no room for it.
  private static func fragment(
    _ frame: HTTP2FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> UnsafeRawBufferPointer? {
    var start = 0
    var padding = 0
    if frame.flags & HTTP2FrameHeader.padded != 0 {
      guard let first = payload.first else { return nil }
      padding = Int(first)
      start = 1
    }
    if frame.flags & HTTP2FrameHeader.hasPriority != 0 { start += 5 }
    guard start + padding <= payload.count else { return nil }
    return UnsafeRawBufferPointer(rebasing: payload[start..<(payload.count - padding)])
  }

  @inline(__always)
  private func fieldReceived() {
    let (name, value) = (state.pointee.decoder.name, state.pointee.decoder.value)
    let size = name.count &+ value.count &+ 32
    state.pointee.head.bytes &+= size
    // What is far beyond the limit ends the connection, because its block would have to be read to the end otherwise: one
    // byte can name a field of four thousand.
    guard state.pointee.head.bytes <= 4 * limits.headerListBytes else { return cut(.headerBomb) }
    guard let entry = state.pointee.head.stream else { return }
    entry.pointee.relayed._withUnsafeGuaranteedRef { relayed in
      // What an answer needs has left the processor's cache while it was waited for; fetched in the order of its pointers.
      switch relayed.upstreamHead.count {
      case 0: relayed.prefetch()
      case 2: relayed.prefetchRequest()
      default: break
      }
      let kind = HeaderName(name)
      switch state.pointee.head.rules.judge(kind, name, value) {
      case .leaveOut: return
      case .refuse: return refuse(entry, .protocolError)
      case .take: break
      }
      // Behind the answer's head only trailers come; its block is free again.
      guard relayed.upstreamHead.count < limits.headerFields,
        relayed.upstreamHead.listSize + size <= limits.headerListBytes
      else { return refuse(entry, .internalError) }
      relayed.upstreamHead.append(kind, name, value)
    }
  }

  private func headDone() {
    let streamID = state.pointee.head.streamID
    state.pointee.headBeganAt = 0
    state.pointee.head.streamID = 0
    guard let entry = state.pointee.head.stream else { return }
    state.pointee.head.stream = nil
    let (rules, ends) = (state.pointee.head.rules, state.pointee.head.ends)
    guard rules.allowsEnd(ends) else { return refuse(entry, .protocolError) }
    answerReceived()
    entry.pointee.hasHead = true
    entry.pointee.relayed._withUnsafeGuaranteedRef { relayed in
      if entry.pointee.hasFinalHead {
        // What is left of the body goes before them, in `answerEnded`.
        relayed.upstreamTrailersReceived()
      } else if rules.isInformation {
        if !relayed.takeInformation(status: rules.status) {
          release(entry)
          relayed.upstreamFailed(.malformed)
        }
      } else {
        entry.pointee.hasFinalHead = true
        entry.pointee.bodyLeft = rules.bodyLength
        relayed.upstreamHeadDone = true
        relayed.upstreamHeadReceived(status: rules.status, endsAnswer: ends)
      }
    }
    if ends { answerEnded(streamID) }
  }

  // MARK: Bodies

  func bodyBegan(_ frame: HTTP2FrameHeader) {
    let count = frame.length
    // The connection's window is given back at once, so that a slow stream never stops its neighbours; the stream's own
    // window only as the other side takes the bytes.
    guard state.pointee.receiving.received(count) else { return endConnection(.flowControlError) }
    let increment = state.pointee.receiving.take(count)
    if increment > 0 { state.pointee.control.openWindow(0, by: increment) }
    guard let entry = state.pointee.streams.find(frame.streamID) else { return tolerate(frame.streamID) }
    if entry.pointee.hasAnswer { return endConnection(.streamClosed) }
    guard entry.pointee.hasHead else { return endConnection(.protocolError) }
    if !entry.pointee.hasFinalHead { return refuse(entry, .protocolError) }
    if !entry.pointee.receiving.received(count) { refuse(entry, .flowControlError) }
  }

  /// A piece of a DATA frame has come, or all of it.
  func bodyReceived(_ frame: HTTP2FrameHeader, _ bytes: UnsafeRawBufferPointer) {
    guard let entry = state.pointee.streams.find(frame.streamID) else { return }
    if entry.pointee.bodyLeft >= 0 {
      guard bytes.count <= entry.pointee.bodyLeft else { return refuse(entry, .protocolError) }
      entry.pointee.bodyLeft &-= bytes.count
    }
    let isWhole = state.pointee.reader.isLastPiece
    let ends = frame.flags & HTTP2FrameHeader.endStream != 0
    if isWhole {
      let count = state.pointee.reader.bodyLength
      if let reason = state.pointee.budgets.dataReceived(count, ends: ends) { return cut(reason) }
      if count < frame.length { giveBack(frame.length - count, to: entry) }
    }
    if !bytes.isEmpty {
      entry.pointee.relayed._withUnsafeGuaranteedRef { $0.upstreamBodyReceived(bytes) }
      if !entry.pointee.hasProgress {
        entry.pointee.hasProgress = true
        if !(isWhole && ends) { state.pointee.progressed.append(frame.streamID) }
      }
    }
    if isWhole, ends { answerEnded(frame.streamID) }
  }

  /// All that had come has been read: the relay is told once, however many frames there were of a stream.
  func tellOfProgress() {
    var index = 0
    while index < state.pointee.progressed.count {
      if let entry = state.pointee.streams.find(state.pointee.progressed[index]) { tellOfProgress(entry) }
      index &+= 1
    }
    state.pointee.progressed.removeAll()
  }

  func tellOfProgress(_ entry: UpstreamStream.Pointer) {
    guard entry.pointee.hasProgress else { return }
    entry.pointee.hasProgress = false
    entry.pointee.relayed._withUnsafeGuaranteedRef { $0.upstreamBodyProgressed() }
  }

  /// The peer has said all, on a stream that may be gone by now.
  private func answerEnded(_ streamID: Int32) {
    if let entry = state.pointee.streams.find(streamID) { tellOfProgress(entry) }
    guard let entry = state.pointee.streams.find(streamID) else { return }
    guard entry.pointee.bodyLeft <= 0 else { return refuse(entry, .protocolError) }
    entry.pointee.hasAnswer = true
    entry.pointee.relayed._withUnsafeGuaranteedRef {
      $0.upstreamEnded = true
      $0.upstreamEndReceived()
    }
    if let entry = state.pointee.streams.find(streamID), entry.pointee.isSent { close(entry) }
  }
}
