// What a peer may ask of an HTTP/2 connection beyond its requests: frames that cost us more than they cost the sender.
// Decisions only; the session asks before it looks at a frame, and cuts the connection when a budget is used up.
// The numbers and where they come from are in LIMITS.

/// A number of events that may come at once, and again as time passes.
package struct EventBudget: BitwiseCopyable {
  private let capacity: Int64
  private let refillMicroseconds: Int64
  /// The moment at which the budget will be whole again.
  private var wholeAt: Int64 = 0

  /// - Parameters:
  ///   - capacity: events at once
  ///   - window: microseconds in which a used-up budget becomes whole
  package init(_ capacity: Int, per window: Int64) {
    self.capacity = Int64(max(1, capacity))
    refillMicroseconds = max(1, window / Int64(max(1, capacity)))
  }

  /// - Returns: whether the event is within the budget
  package mutating func spend(now: Int64) -> Bool {
    let next = max(now, wholeAt) + refillMicroseconds
    guard next - now <= capacity * refillMicroseconds else { return false }
    wholeAt = next
    return true
  }
}

package struct FloodBudgets: BitwiseCopyable {
  private let windowUpdatesPerDataFrame: Int
  private let priorityFramesPerStream: Int
  private let emptyDataFrames: Int
  private let overheadFactor: Int
  private let overheadBytes: Int

  private var pings: EventBudget
  private var settings: EventBudget
  private var resets: EventBudget
  private var glitches: EventBudget
  private var streams = 0
  private var dataFramesSent = 0
  private var windowUpdates = 0
  private var priorityFrames = 0
  private var emptyFramesInARow = 0
  private var receivedBytes = 0
  private var payloadBytes = 0

  package init(_ limits: HTTP2Limits) {
    let minute: Int64 = 60_000_000
    let window = Int64(limits.floodWindowSeconds) * 1_000_000
    pings = EventBudget(limits.pingsPerMinute, per: minute)
    settings = EventBudget(limits.settingsPerMinute, per: minute)
    resets = EventBudget(limits.resetsBeforeData, per: window)
    glitches = EventBudget(limits.glitches, per: window)
    windowUpdatesPerDataFrame = limits.windowUpdatesPerDataFrame
    priorityFramesPerStream = limits.priorityFramesPerStream
    emptyDataFrames = limits.emptyDataFrames
    overheadFactor = limits.overheadFactor
    overheadBytes = limits.overheadBytes
  }

  /// A frame begins.
  /// - Returns: the budget that it breaks
  @inline(__always)
  package mutating func frameBegins(_ frame: HTTP2FrameHeader, now: Int64) -> ConnectionCut? {
    if frame.type == HTTP2FrameHeader.data || frame.type == HTTP2FrameHeader.headers {
      payloadBytes &+= frame.length &+ 9
      if frame.type == HTTP2FrameHeader.headers { streams &+= 1 }
      return nil
    }
    return controlBegins(frame, now: now)
  }

  /// A DATA frame is whole.
  /// - Parameter bytes: without padding
  @inline(__always)
  package mutating func dataReceived(_ bytes: Int, ends: Bool) -> ConnectionCut? {
    guard bytes == 0, !ends else {
      emptyFramesInARow = 0
      return nil
    }
    emptyFramesInARow &+= 1
    return emptyFramesInARow > emptyDataFrames ? .emptyDataFlood : nil
  }

  private mutating func controlBegins(_ frame: HTTP2FrameHeader, now: Int64) -> ConnectionCut? {
    switch frame.type {
    case HTTP2FrameHeader.ping:
      if !pings.spend(now: now) { return .pingFlood }
    case HTTP2FrameHeader.settings where !frame.isAcknowledgement:
      if !settings.spend(now: now) { return .settingsFlood }
    case HTTP2FrameHeader.windowUpdate:
      windowUpdates &+= 1
      if windowUpdates > 1 &+ 2 &* (streams &+ windowUpdatesPerDataFrame &* dataFramesSent) {
        return .windowUpdateFlood
      }
    case HTTP2FrameHeader.priority:
      priorityFrames &+= 1
      if priorityFrames > priorityFramesPerStream &* (1 &+ streams) { return .priorityFlood }
    default: break
    }
    return nil
  }

  /// Bytes have been read, of whatever frames: those that are ignored are never told of.
  @inline(__always)
  package mutating func received(_ bytes: Int) -> ConnectionCut? {
    receivedBytes &+= bytes
    return receivedBytes > overheadFactor &* payloadBytes &+ overheadBytes ? .overhead : nil
  }

  /// We have sent a DATA frame.
  @inline(__always)
  package mutating func dataSent(_ bytes: Int) {
    dataFramesSent &+= 1
    payloadBytes &+= bytes &+ 9
  }

  /// We have reset a stream. What its peer had sent before it learnt of that is ignored unseen, and is no overhead.
  package mutating func resetSent(windowBytes: Int) {
    receivedBytes &-= windowBytes
  }

  /// We have opened a stream (to an upstream).
  package mutating func streamOpened() { streams &+= 1 }

  /// The peer has reset a stream on which nothing had been sent.
  package mutating func earlyReset(now: Int64) -> ConnectionCut? {
    resets.spend(now: now) ? nil : .rapidReset
  }

  /// The peer has made us reset a stream, or broken a rule that costs it a stream.
  package mutating func slip(now: Int64) -> ConnectionCut? {
    glitches.spend(now: now) ? nil : .glitches
  }
}
