// Frames from an upstream: whether each may come now, and what those mean that are neither heads nor bodies.

extension HTTP2ClientSession {
  func read(_ bytes: UnsafeRawBufferPointer) {
    var position = 0
    reading: while !state.pointee.isOver {
      switch state.pointee.reader.next(bytes, &position) {
      case .needMore: break reading
      case .began: frameBegan(state.pointee.reader.header)
      case .payload: frameReceived(state.pointee.reader.header, state.pointee.reader.bytes)
      case .data: bodyReceived(state.pointee.reader.header, state.pointee.reader.bytes)
      case .badPadding: endConnection(.protocolError)
      }
    }
    if !state.pointee.progressed.isEmpty { tellOfProgress() }
    guard !state.pointee.isOver else { return }
    if let reason = state.pointee.budgets.received(bytes.count) ?? queueBreach { return cut(reason) }
    if hasSomethingToSay { connection.needsFlush() }
  }

  private var queueBreach: ConnectionCut? {
    state.pointee.control.acknowledgements > limits.queuedControlFrames
      || state.pointee.control.count > limits.queuedFrames ? .queuedFrames : nil
  }

  private func frameBegan(_ frame: HTTP2FrameHeader) {
    guard mayCome(frame) else { return endConnection(.protocolError) }
    state.pointee.hasReceivedFrame = true
    if let reason = state.pointee.budgets.frameBegins(frame, now: connection.loop.now) { return cut(reason) }
    if let error = frame.breach { return endConnection(error) }
    switch frame.type {
    case HTTP2FrameHeader.data: bodyBegan(frame)
    case HTTP2FrameHeader.headers: headBegan(frame)
    case HTTP2FrameHeader.continuation: headGoesOn()
    case HTTP2FrameHeader.resetStream, HTTP2FrameHeader.settings, HTTP2FrameHeader.ping,
      HTTP2FrameHeader.goaway, HTTP2FrameHeader.windowUpdate:
      break
    // PRIORITY, and what nobody knows.
    default: state.pointee.reader.skip()
    }
  }

  /// SETTINGS come first, and within a head nothing but the rest of it (RFC 9113, sections 3.4 and 4.3).
  @inline(__always)
  private func mayCome(_ frame: HTTP2FrameHeader) -> Bool {
    let unfinished = state.pointee.head.streamID
    if unfinished != 0 {
      return frame.type == HTTP2FrameHeader.continuation && frame.streamID == unfinished
    }
    if frame.type == HTTP2FrameHeader.continuation { return false }
    return state.pointee.hasReceivedFrame
      || (frame.type == HTTP2FrameHeader.settings && !frame.isAcknowledgement)
  }

  private func frameReceived(_ frame: HTTP2FrameHeader, _ payload: UnsafeRawBufferPointer) {
    switch frame.type {
    case HTTP2FrameHeader.headers, HTTP2FrameHeader.continuation: headReceived(frame, payload)
    case HTTP2FrameHeader.settings:
      if frame.isAcknowledgement { takeAcknowledgement() } else { takeSettings(payload) }
    case HTTP2FrameHeader.ping:
      if !frame.isAcknowledgement { state.pointee.control.acknowledgePing(payload) }
    case HTTP2FrameHeader.goaway: takeGoaway(payload)
    case HTTP2FrameHeader.windowUpdate: takeWindow(frame.streamID, payload.number(at: 0) & 0x7FFF_FFFF)
    case HTTP2FrameHeader.resetStream: takeReset(frame.streamID, payload.number(at: 0))
    default: break
    }
  }

  private func takeSettings(_ payload: UnsafeRawBufferPointer) {
    guard payload.count / 6 <= limits.settingsEntries else { return endConnection(.enhanceYourCalm) }
    let before = state.pointee.peer.streamWindow
    if let error = state.pointee.peer.take(payload) { return endConnection(error) }
    let change = state.pointee.peer.streamWindow - before
    guard change == 0 || moveWindows(by: change) else { return endConnection(.flowControlError) }
    state.pointee.control.acknowledgeSettings()
    settingsReceived()
  }

  /// RFC 9113, section 6.9.2.
  private func moveWindows(by change: Int) -> Bool {
    for index in 0..<state.pointee.streams.capacity {
      guard let entry = state.pointee.streams.stream(at: index) else { continue }
      guard entry.pointee.sending.move(by: change) else { return false }
      sendOn(entry)
    }
    return true
  }

  private func takeAcknowledgement() {
    guard !state.pointee.isAcknowledged else { return endConnection(.protocolError) }
    state.pointee.isAcknowledged = true
    if limits.tableBytes != HTTP2Limits.usualTableBytes {
      state.pointee.decoder.setTableBytes(limits.tableBytes)
    }
  }

  private func takeGoaway(_ payload: UnsafeRawBufferPointer) {
    let last = Int32(bitPattern: payload.number(at: 0) & 0x7FFF_FFFF)
    // It is one of our streams or none, and it only ever becomes less (RFC 9113, section 6.8).
    guard last <= state.pointee.lastServedID, last == 0 || last & 1 == 1 else {
      return endConnection(.protocolError)
    }
    goawayReceived(lastServed: last)
  }

  private func takeWindow(_ streamID: Int32, _ increment: UInt32) {
    if streamID == 0 {
      guard increment > 0 else { return endConnection(.protocolError) }
      if !state.pointee.sending.move(by: Int(increment)) { endConnection(.flowControlError) }
      return
    }
    guard let entry = state.pointee.streams.find(streamID) else { return tolerate(streamID) }
    guard increment > 0 else { return endConnection(.protocolError) }
    guard entry.pointee.sending.move(by: Int(increment)) else { return refuse(entry, .flowControlError) }
    sendOn(entry)
  }

  /// The stream's window may have been what its body has waited for.
  private func sendOn(_ entry: UpstreamStream.Pointer) {
    guard entry.pointee.queue == .none, !entry.pointee.isSent, entry.pointee.sending.bytes > 0 else { return }
    let unsent = entry.pointee.relayed._withUnsafeGuaranteedRef { $0.unsentCount }
    if unsent > 0 { state.pointee.bodies.append(entry) }
  }

  private func takeReset(_ streamID: Int32, _ code: UInt32) {
    guard let entry = state.pointee.streams.find(streamID) else { return tolerate(streamID) }
    entry.pointee.isReset = true
    fail(entry, code == HTTP2ErrorCode.refusedStream.rawValue ? .staleConnection : .reset)
  }

  /// A frame is for no stream that there is. It may have been sent before the peer knew that the stream is over.
  func tolerate(_ streamID: Int32) {
    if state.pointee.isIdle(streamID) { endConnection(.protocolError) }
  }
}

extension UnsafeRawBufferPointer {
  /// Four bytes, the first of which counts most.
  fileprivate func number(at offset: Int) -> UInt32 {
    UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
}
