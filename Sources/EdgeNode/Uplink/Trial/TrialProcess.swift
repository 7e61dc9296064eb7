// The child that tries a configuration, as its parent sees it: what goes in, what comes back, and how it ended.

import CLinux
import Glibc
import StraitProtocol

enum TrialVerdict: Sendable, Equatable {
  case passed
  case failed(String)
  /// It could not be tried, or not to the end.
  case unable(String)
  case cancelled
}

struct TrialProcess {
  private let trial: ConfigurationTrial
  private let isCancelled: () -> Bool

  init(_ trial: ConfigurationTrial, isCancelled: @escaping () -> Bool) {
    self.trial = trial
    self.isCancelled = isCancelled
  }

  /// Blocks until the child has ended, by itself or because its time is over.
  func verdict(on state: ConfigurationState) -> TrialVerdict {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0, &ends) == 0 else {
      return .unable("the trial cannot be run: \(String(cString: strerror(errno)))")
    }
    defer { close(ends[0]) }
    var child: pid_t = 0
    let refusal = start(channel: ends[1], &child)
    close(ends[1])
    guard refusal == 0 else {
      return .unable("the trial cannot be run: \(String(cString: strerror(refusal)))")
    }
    var talk = TrialTalk(ends[0], about: state)
    let deadline = monotonicSeconds() + trial.seconds
    var status: Int32 = 0
    while strait_child_ended(child, &status) == 0 {
      let left = deadline - monotonicSeconds()
      if isCancelled() || left <= 0 || talk.isTooLong {
        strait_end_child(child, &status)
        if isCancelled() { return .cancelled }
        return talk.isTooLong
          ? .failed("the trial process said more than a verdict")
          : .unable("the trial process did not finish in \(Int(trial.seconds.rounded())) s")
      }
      talk.goOn(milliseconds: Int32(min(left * 1_000, Self.lookMilliseconds).rounded(.up)))
    }
    // What it said before it ended.
    talk.readRest()
    return Self.verdict(status, talk.answer)
  }

  /// How long an end that the socket does not tell of may go unnoticed, and a cancellation.
  private static let lookMilliseconds = 50.0

  private func start(channel: Int32, _ child: inout pid_t) -> Int32 {
    var bounds = strait_confinement()
    bounds.memory_bytes = UInt64(trial.memoryBytes)
    bounds.processor_seconds = UInt64(trial.processorSeconds)
    bounds.descriptors = UInt64(ConfigurationTrial.descriptors)
    bounds.niceness = ConfigurationTrial.niceness
    let arguments = ["edge-node", ConfigurationTrial.argument, trial.region]
    return withCStrings(arguments) { arguments in
      withCStrings(Self.environment) { environment in
        strait_start_confined(trial.program, arguments, environment, channel, &bounds, &child)
      }
    }
  }

  /// No crash report, which would print registers; what finds libraries and certificates; nothing else, a join token least
  /// of all.
  private static var environment: [String] {
    ["SWIFT_BACKTRACE=enable=no"]
      + ["LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"].compactMap { (name: String) in
        getenv(name).map { "\(name)=\(String(cString: $0))" }
      }
  }

  static func verdict(_ status: Int32, _ answer: [UInt8]) -> TrialVerdict {
    let signal = status & 0x7F
    let code = status >> 8 & 0xFF
    if signal == SIGXCPU { return .failed("the trial process used all the processor time that it had") }
    // Nobody else sends it than whoever needs the memory, or the machine.
    if signal == SIGKILL { return .unable("the trial process was killed") }
    if signal != 0 { return .failed("the trial process crashed (signal \(signal))") }
    let text = String(decoding: answer, as: UTF8.self)
    if code == 0, text == TrialAnswer.passed { return .passed }
    if text.hasPrefix(TrialAnswer.refused), text.hasSuffix("\n") {
      return .failed("in a trial: \(text.dropFirst(TrialAnswer.refused.count).dropLast())")
    }
    if code != 0 { return .failed("the trial process failed (exit code \(code))") }
    return .failed("the trial process ended without a verdict")
  }
}

/// What a trial process says at its end.
package enum TrialAnswer {
  package static let passed = "passed\n"
  /// Followed by words and a line's end.
  package static let refused = "refused: "
}

/// Hands the configuration over as the child takes it, and collects what it says.
private struct TrialTalk {
  private let socket: Int32
  private var parts: SnapshotParts
  private var outgoing: ArraySlice<UInt8> = []
  private var isAllSent = false
  private var isClosed = false
  private(set) var answer: [UInt8] = []

  init(_ socket: Int32, about state: ConfigurationState) {
    self.socket = socket
    parts = SnapshotParts(of: state)
  }

  var isTooLong: Bool { answer.count > ConfigurationTrial.answerBytes }

  mutating func goOn(milliseconds: Int32) {
    refill()
    let wanted = (isClosed ? 0 : POLLIN) | (isAllSent ? 0 : POLLOUT)
    // A closed socket is always ready, and its child may live on.
    var entry = pollfd(fd: isClosed ? -1 : socket, events: Int16(wanted), revents: 0)
    guard poll(&entry, 1, milliseconds) > 0 else { return }
    if Int32(entry.revents) & POLLOUT != 0 { send() }
    if Int32(entry.revents) & (POLLIN | POLLHUP | POLLERR) != 0 { read() }
  }

  mutating func readRest() {
    while !isClosed, !isTooLong {
      let before = answer.count
      read()
      if answer.count == before { return }
    }
  }

  private mutating func refill() {
    guard outgoing.isEmpty, !isAllSent else { return }
    // A part that cannot be encoded is missed by the child, which says so.
    guard let part = parts.next(), let bytes: [UInt8] = try? part.serializedBytes() else {
      return finishSending()
    }
    outgoing = withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { Array($0) + bytes }[...]
  }

  private mutating func finishSending() {
    isAllSent = true
    shutdown(socket, Int32(SHUT_WR))
  }

  private mutating func send() {
    let sent = outgoing.withUnsafeBytes {
      Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
    if sent > 0 {
      outgoing = outgoing.dropFirst(sent)
      refill()
    } else if sent < 0, errno != EAGAIN, errno != EINTR {
      // It wants no more; its verdict says why.
      outgoing = []
      isAllSent = true
    }
  }

  private mutating func read() {
    var space = [UInt8](repeating: 0, count: 512)
    let count = recv(socket, &space, space.count, Int32(MSG_DONTWAIT))
    if count > 0 {
      answer += space[..<count]
    } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
      isClosed = true
    }
  }
}

private func withCStrings<Result>(
  _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
  let pointers = strings.map { strdup($0) } + [nil]
  defer { pointers.forEach { free($0) } }
  return body(pointers)
}
