// nghttp2's C callbacks. The user data is the session, a stream's user data its `RelayedStream`; both are kept alive by
// their owners for as long as nghttp2 can name them, but for a stream that a frame names which waits to be sent.

import CNghttp2

enum HTTP2Callbacks {
  /// - Returns: nghttp2's session, and where it packs its frames
  static func makeSession(for session: HTTP2Session) throws -> (OpaquePointer, UnsafeMutableRawPointer?) {
    var callbacks: OpaquePointer?
    var option: OpaquePointer?
    guard nghttp2_session_callbacks_new(&callbacks) == 0, nghttp2_option_new(&option) == 0 else {
      throw HTTP2SetupError()
    }
    defer {
      nghttp2_session_callbacks_del(callbacks)
      nghttp2_option_del(option)
    }
    set(callbacks)
    set(option, session.limits)
    let owner = Unmanaged.passUnretained(session).toOpaque()
    var pointer: OpaquePointer?
    var frameBuffer: UnsafeMutableRawPointer?
    let result = strait_nghttp2_server_new(&pointer, callbacks, owner, option, &frameBuffer)
    guard result == 0, let pointer else { throw HTTP2SetupError() }
    return (pointer, frameBuffer)
  }

  private static func set(_ option: OpaquePointer?, _ limits: HTTP2Limits) {
    // Windows are opened by hand, as the other side takes the bytes.
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_option_set_no_closed_streams(option, 1)
    // Its own count takes every reset for an attack, also a user's who stops an answer under way; `FloodBudgets` counts.
    nghttp2_option_set_stream_reset_rate_limit(option, UInt64(Int32.max), UInt64(Int32.max))
    nghttp2_option_set_max_continuations(option, limits.continuationFrames)
    nghttp2_option_set_max_settings(option, limits.settingsEntries)
    nghttp2_option_set_max_deflate_dynamic_table_size(option, limits.tableBytes)
    nghttp2_option_set_max_outbound_ack(option, limits.queuedControlFrames)
  }

  private static func set(_ callbacks: OpaquePointer?) {
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks) { _, header, owner in
      guard let header, let session = HTTP2Callbacks.session(owner) else { return 0 }
      let frame = HTTP2FrameHeader(
        type: header.pointee.type, flags: header.pointee.flags, length: header.pointee.length,
        streamID: header.pointee.stream_id)
      let isWithinBudget = session._withUnsafeGuaranteedRef { $0.frameBegins(frame) }
      return isWithinBudget ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, owner in
      guard let frame, let session = HTTP2Callbacks.session(owner) else { return 0 }
      let type = frame.pointee.hd.type
      if type == UInt8(NGHTTP2_RST_STREAM.rawValue) {
        session._withUnsafeGuaranteedRef { $0.resetSent(strait_nghttp2_reset_code(frame)) }
      } else if type == UInt8(NGHTTP2_GOAWAY.rawValue) {
        session._withUnsafeGuaranteedRef { $0.goawaySent(strait_nghttp2_goaway_code(frame)) }
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, owner in
      guard let frame, let session = HTTP2Callbacks.session(owner) else { return 0 }
      return session._withUnsafeGuaranteedRef { HTTP2Callbacks.beginHeaders($0, frame) }
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      raw, frame, name, nameCount, value, valueCount, _, owner in
      guard let frame, let session = HTTP2Callbacks.session(owner) else { return 0 }
      let accepted = session._withUnsafeGuaranteedRef { session in
        guard let stream = session.stream(frame.pointee.hd.stream_id) else { return true }
        return stream._withUnsafeGuaranteedRef {
          session.appendField(
            $0, UnsafeRawBufferPointer(start: name, count: nameCount),
            UnsafeRawBufferPointer(start: value, count: valueCount))
        }
      }
      if accepted {
        // The first field of a request that is to wait: the bytes behind it are acted upon later.
        return session._withUnsafeGuaranteedRef { $0.isBurst } ? NGHTTP2_ERR_PAUSE.rawValue : 0
      }
      // Of a stream that is reset nghttp2 decodes the rest of the block; of a connection that is cut, nothing.
      let isCut = session._withUnsafeGuaranteedRef { $0.isCut }
      return isCut ? NGHTTP2_ERR_CALLBACK_FAILURE.rawValue : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { raw, frame, owner in
      guard let frame, let session = HTTP2Callbacks.session(owner) else { return 0 }
      let isWithinBudget = session._withUnsafeGuaranteedRef { HTTP2Callbacks.frameReceived($0, frame) }
      return isWithinBudget ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
      raw, _, streamID, bytes, count, owner in
      guard let session = HTTP2Callbacks.session(owner) else { return 0 }
      session._withUnsafeGuaranteedRef { session in
        // The connection's window is given back at once, so that a slow stream never stops its neighbours; the
        // stream's own window only as the other side takes the bytes.
        nghttp2_session_consume_connection(raw, count)
        guard let stream = session.stream(streamID) else { return }
        stream._withUnsafeGuaranteedRef {
          session.bodyReceived($0, UnsafeRawBufferPointer(start: bytes, count: count))
          session.note(.body, $0)
        }
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, streamID, code, owner in
      guard let session = HTTP2Callbacks.session(owner) else { return 0 }
      session._withUnsafeGuaranteedRef { session in
        guard let stream = session.stream(streamID) else { return }
        stream._withUnsafeGuaranteedRef { session.note(.closed, $0, code: code) }
        session.forgetStream(streamID)
      }
      return 0
    }
    nghttp2_session_callbacks_set_send_data_callback(callbacks) { raw, frame, header, count, source, owner in
      guard let session = HTTP2Callbacks.session(owner), let frame, let source, let header,
        let pointer = strait_nghttp2_source_pointer(source)
      else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
      return session._withUnsafeGuaranteedRef { session in
        // What a frame that had to wait was made for may be gone: nghttp2 names its stream for as long as the reset waits.
        guard !session.frameWaited || session.isStill(pointer, frame.pointee.hd.stream_id) else {
          return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
        }
        return Unmanaged<RelayedStream>.fromOpaque(pointer)._withUnsafeGuaranteedRef {
          session.writeDataFrame($0, header: header, count: count)
        }
      }
    }
  }

  private static func beginHeaders(_ session: HTTP2Session, _ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
    guard strait_nghttp2_headers_category(frame) == NGHTTP2_HCAT_REQUEST else { return 0 }
    let streamID = frame.pointee.hd.stream_id
    guard let stream = session.streamBegan(streamID) else {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
    session.adopt(stream, streamID)
    session.spendRequest()
    return 0
  }

  private static func frameReceived(_ session: HTTP2Session, _ frame: UnsafePointer<nghttp2_frame>) -> Bool {
    let header = frame.pointee.hd
    let ends = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    if header.type == UInt8(NGHTTP2_DATA.rawValue),
      !session.countData(header.length - strait_nghttp2_padding(frame), ends: ends)
    {
      return false
    }
    guard let stream = session.stream(header.stream_id) else { return true }
    if header.type == UInt8(NGHTTP2_RST_STREAM.rawValue) {
      return stream._withUnsafeGuaranteedRef { session.resetReceived($0) }
    }
    stream._withUnsafeGuaranteedRef {
      if header.type == UInt8(NGHTTP2_DATA.rawValue) {
        if ends { session.note(.end, $0) }
      } else if header.type == UInt8(NGHTTP2_HEADERS.rawValue) {
        // At once and not after nghttp2 has returned: body bytes may follow in the same call, and where they go
        // depends on the head. A callback may submit frames; only receiving and sending may not nest.
        session.headersReceived($0, ends: ends)
      }
    }
    return true
  }

  /// Reads a stream's body for the next DATA frame; the bytes themselves go by `send_data_callback`, without a copy.
  static func provider(for stream: RelayedStream) -> nghttp2_data_provider {
    nghttp2_data_provider(
      source: strait_nghttp2_source(Unmanaged.passUnretained(stream).toOpaque()),
      read_callback: { _, _, _, most, flags, source, owner in
        guard let session = HTTP2Callbacks.session(owner), let source, let flags,
          let pointer = strait_nghttp2_source_pointer(source)
        else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
        let stream = Unmanaged<RelayedStream>.fromOpaque(pointer)
        return session._withUnsafeGuaranteedRef { session in
          stream._withUnsafeGuaranteedRef { stream in
            guard let available = session.bodyAvailable(stream, most: most) else {
              return Int(NGHTTP2_ERR_DEFERRED.rawValue)
            }
            flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
            if available.ends {
              flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
              if session.hasTrailers(stream) { flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue }
            }
            return available.count
          }
        }
      })
  }

  private static func session(_ owner: UnsafeMutableRawPointer?) -> Unmanaged<HTTP2Session>? {
    owner.map { Unmanaged<HTTP2Session>.fromOpaque($0) }
  }
}
