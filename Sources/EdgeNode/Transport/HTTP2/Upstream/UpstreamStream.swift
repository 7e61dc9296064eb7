// What a session keeps of one request to an upstream, in memory of the pool at an address that stays.

import CLinux

struct UpstreamStream: BitwiseCopyable {
  typealias Pointer = UnsafeMutablePointer<UpstreamStream>

  enum Queue: UInt8 {
    case none
    /// Its head waits to be sent.
    case heads
    /// There are bytes of its body, or its end, to send.
    case bodies
  }

  /// Kept alive by the relay for as long as the session has it.
  let relayed: Unmanaged<RelayedStream>
  /// Given when its head is sent; 0 until then.
  var id: Int32 = 0
  var queue = Queue.none
  /// A head has come, informational or final.
  var hasHead = false
  /// The final head has come.
  var hasFinalHead = false
  /// The answer has ended.
  var hasAnswer = false
  /// Bytes of the answer have come since the relay was last told that they have.
  var hasProgress = false
  /// Either side has reset it.
  var isReset = false
  /// The request has been sent to its end.
  var isSent = false
  var sending = SendWindow(0)
  var receiving: ReceiveWindow
  /// How many bytes of the answer's body are still to come; -1 where it has no length.
  var bodyLeft = -1
  // In the queue.
  var next: Pointer?
  var previous: Pointer?

  static func make(for stream: RelayedStream, window: Int) -> Pointer {
    placeInPool(UpstreamStream(relayed: Unmanaged.passUnretained(stream), receiving: ReceiveWindow(window)))
  }

  static func give(_ pointer: Pointer) {
    strait_pool_give_sized(pointer, MemoryLayout<UpstreamStream>.size)
  }
}
