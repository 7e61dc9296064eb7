// One request and its answer as the transport sees them: the heads, the bytes on their way in each direction, and what
// the transport tells whoever relays. Sessions read and write the stored properties directly; the methods are events.

import CLinux

class RelayedStream {
  /// The states of all blocks and queues, in one block of memory: six of heads, then three of queues.
  private let storage: UnsafeMutableRawPointer
  private static let heads = 6
  private static let headBytes = heads * MemoryLayout<HeaderBlock.State>.stride
  private static let storageBytes = headBytes + 3 * MemoryLayout<ByteQueue.State>.stride

  // The client's side.

  /// The session that took the request; nil once the client's stream is over.
  unowned(unsafe) final var client: (any ClientSide)?
  /// What the session knows the stream by.
  final var clientStreamID: Int32 = 0
  final let request: HeaderBlock
  /// The answer's head for the client; unchanged from the moment it is handed over.
  final let answer: HeaderBlock
  /// Bytes for the client that its session has not taken yet.
  final let answerBody: ByteQueue
  /// Sent behind the body when it is not empty by then; unchanged from then on.
  final let answerTrailers: HeaderBlock
  /// Nothing follows what is in `answerBody`.
  final var answerEnded = false
  /// The client's session has found `answerBody` empty and waits for `wake`.
  final var clientWaits = false
  /// The request's head is complete: fields that come later are trailers.
  final var requestHeadDone = false
  /// The head says something that would be another request, or none, over HTTP/1.1.
  final var requestHeadInvalid = false
  /// The head was larger than the limits; the fields beyond are not kept.
  final var requestHeadTooLarge = false
  /// What the head had beyond the limits, by the measure of `HeaderBlock.listSize`.
  final var requestHeadExcess = 0
  /// The client has been sent bytes of the answer.
  final var answerDataSent = false
  /// Where the session keeps it in its list.
  final var clientSlot = -1

  /// The request's body as it came, for whoever relays.
  final let body: ByteQueue

  // The upstream's side.

  unowned(unsafe) final var upstream: (any UpstreamSide)?
  /// What an HTTP/2 session keeps of the stream.
  final var upstreamState: UpstreamStream.Pointer?
  /// The head for the upstream.
  final let forwarded: HeaderBlock
  /// The body for the upstream. A whole one is kept to be sent again: it is sent from `forwardedOffset` on. Of one that
  /// is streamed the bytes are given up as they are sent.
  final let forwardedBody: ByteQueue
  final var forwardedOffset = 0
  final var isStreamedUp = false
  /// Nothing follows what is in `forwardedBody`.
  final var forwardedEnded = true
  /// The client's trailers, sent behind the body when there are any by then; unchanged from then on.
  final let requestTrailers: HeaderBlock
  /// The upstream's head as it came.
  final let upstreamHead: HeaderBlock
  /// The answer's final head is complete: fields that come later are trailers.
  final var upstreamHeadDone = false
  final var upstreamEnded = false
  /// Nothing but its connection's end has ended the answer.
  final var endedWithConnection = false
  /// Informational heads that came before the answer's, and how large they were together.
  final var informationCount = 0
  final var informationBytes = 0

  /// About what a stream and the relay's part of it take.
  static let prefetchedBytes = 640

  /// Has the states of blocks and queues fetched, which will be used soon.
  @inline(__always)
  final func prefetch() { strait_prefetch(storage, Self.storageBytes) }

  /// The same for what of the request will be given back, cleansed, when the answer's head is whole.
  final func prefetchRequest() {
    forwardedBody.prefetch()
    request.prefetch()
  }

  init() {
    storage = takeFromPool(Self.storageBytes)
    let heads = storage.bindMemory(to: HeaderBlock.State.self, capacity: Self.heads)
    let queues = (storage + Self.headBytes).bindMemory(to: ByteQueue.State.self, capacity: 3)
    request = HeaderBlock(at: heads)
    answer = HeaderBlock(at: heads + 1)
    forwarded = HeaderBlock(at: heads + 2)
    upstreamHead = HeaderBlock(at: heads + 3)
    answerTrailers = HeaderBlock(at: heads + 4)
    requestTrailers = HeaderBlock(at: heads + 5)
    answerBody = ByteQueue(at: queues)
    body = ByteQueue(at: queues + 1)
    forwardedBody = ByteQueue(at: queues + 2)
  }

  deinit {
    request.release()
    answer.release()
    forwarded.release()
    upstreamHead.release()
    answerTrailers.release()
    requestTrailers.release()
    answerBody.release()
    body.release()
    forwardedBody.release()
    strait_pool_give_sized(storage, Self.storageBytes)
  }

  // MARK: For the upstream's session

  /// A client that does not read has them all wait for it, and each may be as large as an answer's head.
  private static let informationLimit = 16
  private static let informationBytesLimit = 32 * 1024

  /// An informational head (1xx) is in `upstreamHead`.
  /// - Returns: false where there have been more, or larger ones, than any answer needs
  final func takeInformation(status: Int) -> Bool {
    informationCount += 1
    informationBytes += upstreamHead.listSize
    guard informationCount <= Self.informationLimit, informationBytes <= Self.informationBytesLimit else {
      return false
    }
    upstreamInformationReceived(status: status)
    upstreamHead.removeAll()
    return true
  }

  /// Nothing of an answer has come.
  final func beginAnswer() {
    upstreamHeadDone = false
    upstreamEnded = false
    endedWithConnection = false
    informationCount = 0
    informationBytes = 0
  }

  final var unsentCount: Int { forwardedBody.count &- forwardedOffset }
  /// The upstream has been sent all of the body.
  final var requestIsSent: Bool { forwardedEnded && unsentCount == 0 }

  /// Bytes of the body that have not been sent; `sent` follows.
  final var unsent: UnsafeRawBufferPointer {
    guard unsentCount > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(rebasing: forwardedBody.readable[forwardedOffset...])
  }

  final func sent(_ count: Int) {
    guard isStreamedUp else {
      forwardedOffset &+= count
      if unsentCount == 0 { requestSentWhole() }
      return
    }
    forwardedBody.consume(count)
    requestSent(count)
  }

  // MARK: What the client's session reports

  /// The head went so far beyond the limits that the stream is reset unanswered.
  func requestHeadCutOff() {}
  func requestHeadReceived(endsRequest: Bool) { preconditionFailure("overridden") }
  /// Called while the session parses: copies what it needs and calls no session.
  func requestBodyReceived(_ bytes: UnsafeRawBufferPointer) { preconditionFailure("overridden") }
  /// Bytes have come since the last call; sessions may be called again.
  func requestBodyProgressed() { preconditionFailure("overridden") }
  func requestEndReceived() { preconditionFailure("overridden") }
  /// The rest of the body cannot be read; `clientClosed` follows.
  func requestBroken() {}
  /// The session has taken bytes of the answer.
  func answerTaken(_ count: Int) { preconditionFailure("overridden") }
  /// The answer's last bytes are about to go to the kernel.
  func answerFinishing() { preconditionFailure("overridden") }
  /// The client's stream is over: answered in full, reset, or gone with its connection.
  func clientClosed() { preconditionFailure("overridden") }

  // MARK: What the upstream's session reports

  /// The request has the upstream's connection; from here on it may have been acted upon.
  func upstreamStarted(on session: any UpstreamSide) { preconditionFailure("overridden") }
  /// The upstream's session has sent bytes of a body that is streamed.
  func requestSent(_ count: Int) { preconditionFailure("overridden") }
  /// The upstream's session has sent a body that is whole.
  func requestSentWhole() {}
  /// An informational head (1xx, but 101) is in `upstreamHead`, which is cleared afterwards.
  func upstreamInformationReceived(status: Int) {}
  func upstreamHeadReceived(status: Int, endsAnswer: Bool) { preconditionFailure("overridden") }
  /// Called while the session parses: copies what it needs and calls no session.
  func upstreamBodyReceived(_ bytes: UnsafeRawBufferPointer) { preconditionFailure("overridden") }
  /// The answer's trailers are in `upstreamHead`; its end follows.
  func upstreamTrailersReceived() {}
  func upstreamBodyProgressed() { preconditionFailure("overridden") }
  func upstreamEndReceived() { preconditionFailure("overridden") }
  /// The upstream's stream is over in order; its session has let go of it.
  func upstreamClosed() { preconditionFailure("overridden") }
  /// The upstream's stream broke before its end.
  func upstreamFailed(_ failure: UpstreamFailure) { preconditionFailure("overridden") }
}

/// Why an attempt ended without a whole answer.
enum UpstreamFailure {
  case nameNotResolved
  /// No address of the upstream may be connected to.
  case addressRefused
  case connectFailed
  case connectTimeout
  case tlsFailed
  /// The connection had served before and closed without a byte of this answer: another connection may do.
  case staleConnection
  /// The stream or its connection closed.
  case closed
  case reset
  case malformed
  case poolFull
}

/// What a relay asks of the session that holds the client's stream.
protocol ClientSide: AnyObject {
  /// Sends an informational head, which is `head` with a status of 1xx.
  func sendInformation(_ stream: RelayedStream, _ head: borrowing HeaderBlock)
  /// Sends `stream.answer`.
  func sendHead(_ stream: RelayedStream, ends: Bool)
  /// Gives the memory of `stream.answer` back, where nothing but the client's window is waited for.
  func releaseSentHead(_ stream: RelayedStream)
  /// There are new bytes in `stream.answerBody`, or `stream.answerEnded` was set.
  func wake(_ stream: RelayedStream)
  /// Breaks the answer off so that the client cannot take it for whole.
  func abort(_ stream: RelayedStream)
  /// The answer has gone, and nobody waits for the rest of the request any more.
  func endRequest(_ stream: RelayedStream)
  /// As `abort`, for a client that does not take its answer.
  func abortSlowReader(_ stream: RelayedStream)
  /// The relay has taken `count` bytes of the request's body: the client may send as many more.
  func credit(_ stream: RelayedStream, _ count: Int)
  var clientProtocol: ClientProtocolVersion { get }
  /// Requests of the connection that are under way.
  var openStreams: Int { get }
  var connectionMemory: ConnectionMemory { get }
}

enum ClientProtocolVersion {
  case http1, http2
}

/// What the relay remembers with a client's connection; the transport only keeps it.
class ConnectionMemory {
  init() {}
}

/// What a relay asks of the session that holds the upstream's stream.
protocol UpstreamSide: AnyObject {
  /// There are new bytes in `stream.forwardedBody`, or `stream.forwardedEnded` was set.
  func wake(_ stream: RelayedStream)
  /// The relay has passed on `count` bytes of the answer: the upstream may send as many more.
  func credit(_ stream: RelayedStream, _ count: Int)
  /// The relay wants no more of the answer. No event follows.
  func cancel(_ stream: RelayedStream)
}
