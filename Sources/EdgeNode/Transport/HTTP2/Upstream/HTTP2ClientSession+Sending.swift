// What goes to an upstream: first what is to be said of the connection, then the heads of new requests, each with what
// there is of its body, then bodies, a frame of each in turn.

extension HTTP2ClientSession {
  /// At the end of the output no frame is begun for less of a body than this, unless it is the body's end.
  private static let leastPiece = 1024

  var hasSomethingToSay: Bool {
    !state.pointee.control.isEmpty || state.pointee.maySendHead
      || (state.pointee.bodies.first != nil && state.pointee.sending.bytes > 0)
  }

  func write(into space: UnsafeMutableRawBufferPointer) -> Int {
    guard let base = space.baseAddress else { return 0 }
    let used = state.pointee.control.take(into: base, space.count)
    guard state.pointee.control.isEmpty, !state.pointee.isOver else { return used }
    return writeBodies(base, writeHeads(base, used, space.count), space.count)
  }

  /// - Returns: how many bytes of the space are used
  private func writeHeads(_ base: UnsafeMutableRawPointer, _ start: Int, _ size: Int) -> Int {
    var used = start
    while state.pointee.maySendHead, let entry = state.pointee.heads.first {
      let most = entry.pointee.relayed._withUnsafeGuaranteedRef { HeadFrames.mostBytes($0.forwarded) }
      if most > size &- used {
        if used == 0 { used = writeLargeHead(entry, most, base, size) }
        break
      }
      used &+= beginStream(entry, at: base + used)
      if !entry.pointee.isSent { used &+= writeBody(entry, at: base + used, room: size &- used) }
    }
    return used
  }

  /// A head that the whole output has no room for goes through the queue.
  private func writeLargeHead(
    _ entry: UpstreamStream.Pointer, _ most: Int, _ base: UnsafeMutableRawPointer, _ size: Int
  ) -> Int {
    let space = state.pointee.control.bytes.reserve(most)
    state.pointee.control.bytes.produced(beginStream(entry, at: space))
    if !entry.pointee.isSent { state.pointee.bodies.append(entry) }
    return state.pointee.control.take(into: base, size)
  }

  /// Gives the stream its number and writes its head.
  private func beginStream(_ entry: UpstreamStream.Pointer, at space: UnsafeMutableRawPointer) -> Int {
    let id = state.pointee.nextID
    state.pointee.nextID = id &+ 2
    numberGiven(id)
    state.pointee.heads.remove(entry)
    entry.pointee.id = id
    entry.pointee.sending = SendWindow(state.pointee.peer.streamWindow)
    state.pointee.streams.insert(id, entry)
    return entry.pointee.relayed._withUnsafeGuaranteedRef { relayed in
      entry.pointee.isSent = relayed.requestIsSent && relayed.requestTrailers.count == 0
      let count = HeadFrames.write(
        relayed.forwarded, streamID: id, endsStream: entry.pointee.isSent, emptiesTable: emptiesTable,
        to: space)
      // Given back while it is in the processor's cache.
      relayed.forwarded.release()
      return count
    }
  }

  /// RFC 7541, section 4.2: said once, in the first block behind the peer's wish for a smaller table.
  private var emptiesTable: Bool {
    guard state.pointee.peer.tableHasShrunk, !state.pointee.hasEmptiedTable else { return false }
    state.pointee.hasEmptiedTable = true
    return true
  }

  /// - Returns: how many bytes of the space are used
  private func writeBodies(_ base: UnsafeMutableRawPointer, _ start: Int, _ size: Int) -> Int {
    var used = start
    while let entry = state.pointee.bodies.first {
      let waiting = entry.pointee.relayed._withUnsafeGuaranteedRef { $0.unsentCount }
      guard size &- used >= HTTP2FrameHeader.size &+ min(waiting, Self.leastPiece),
        waiting == 0 || state.pointee.sending.bytes > 0
      else { break }
      state.pointee.bodies.remove(entry)
      used &+= writeBody(entry, at: base + used, room: size &- used)
    }
    return used
  }

  /// Writes a DATA frame, if there is anything for one, and what ends the stream. A stream with more to send than its
  /// window holds back is in the queue afterwards.
  /// - Returns: how many bytes of the space are used
  private func writeBody(
    _ entry: UpstreamStream.Pointer, at space: UnsafeMutableRawPointer, room: Int
  ) -> Int {
    let streamID = entry.pointee.id
    var used = 0
    entry.pointee.relayed._withUnsafeGuaranteedRef { relayed in
      let waiting = relayed.unsentCount
      let window = min(entry.pointee.sending.bytes, state.pointee.sending.bytes)
      let most = min(HTTP2FrameHeader.mostPayload, window, room &- HTTP2FrameHeader.size)
      let count = max(0, min(waiting, most))
      let isRest = relayed.forwardedEnded && count == waiting
      let ends = isRest && room >= HTTP2FrameHeader.size
      let hasTrailers = ends && relayed.requestTrailers.count > 0
      if count > 0 || (ends && !hasTrailers) {
        writeData(relayed, streamID, count, ends: ends && !hasTrailers, at: space)
        entry.pointee.sending.sent(count)
        used = HTTP2FrameHeader.size &+ count
      }
      if hasTrailers { used &+= writeTrailers(relayed, streamID, at: space + used, room: room &- used) }
      entry.pointee.isSent = ends
      if !ends, isRest || (count < waiting && entry.pointee.sending.bytes > 0) {
        state.pointee.bodies.append(entry)
      }
      // The last of all, because the relay may let go of the stream.
      if count > 0 { relayed.sent(count) }
    }
    if let entry = state.pointee.streams.find(streamID), entry.pointee.isSent, entry.pointee.hasAnswer {
      close(entry)
    }
    return used
  }

  @inline(__always)
  private func writeData(
    _ relayed: RelayedStream, _ streamID: Int32, _ count: Int, ends: Bool, at space: UnsafeMutableRawPointer
  ) {
    HTTP2FrameHeader(
      type: HTTP2FrameHeader.data, flags: ends ? HTTP2FrameHeader.endStream : 0, length: count,
      streamID: streamID
    ).write(to: space)
    if count > 0, let bytes = relayed.unsent.baseAddress {
      (space + HTTP2FrameHeader.size).copyMemory(from: bytes, byteCount: count)
    }
    state.pointee.sending.sent(count)
    state.pointee.budgets.dataSent(count)
  }

  private func writeTrailers(
    _ relayed: RelayedStream, _ streamID: Int32, at space: UnsafeMutableRawPointer, room: Int
  ) -> Int {
    let most = HeadFrames.mostBytes(relayed.requestTrailers)
    if most <= room {
      return HeadFrames.write(
        relayed.requestTrailers, streamID: streamID, endsStream: true, emptiesTable: emptiesTable, to: space)
    }
    let queued = HeadFrames.write(
      relayed.requestTrailers, streamID: streamID, endsStream: true, emptiesTable: emptiesTable,
      to: state.pointee.control.bytes.reserve(most))
    state.pointee.control.bytes.produced(queued)
    return 0
  }
}
