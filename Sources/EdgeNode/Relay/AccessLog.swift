// A line of JSON for some exchanges, with what their usage records hold and nothing else: no content, no key, no address.
// Workers leave entries in a bounded queue; a thread of its own writes them. What does not fit is counted, not waited for.

import CLinux
import Glibc
import StraitProtocol
import Synchronization

package final class AccessLog: Sendable {
  private struct Queue {
    var entries = ContiguousArray<UsageRecord>()
    var closes = false
    var isClosed = false
  }

  private static let capacity = 8192
  private static let writeEveryMicroseconds: UInt32 = 100_000

  private let path: String
  /// One exchange in so many.
  private let sample: UInt64
  private let queue = Mutex(Queue())
  private let droppedCount = Atomic<UInt64>(0)
  private let writtenCount = Atomic<UInt64>(0)

  /// - Parameter sample: one exchange in so many is written
  /// - Throws: `SystemCallError` when the file cannot be opened
  package init(path: String, sample: Int) throws {
    self.path = path
    self.sample = UInt64(max(1, sample))
    Glibc.close(try Self.openFile(path).descriptor)
    try WorkerThread(name: "access-log") { [self] in write() }.start()
  }

  package var dropped: UInt64 { droppedCount.load(ordering: .relaxed) }
  package var written: UInt64 { writtenCount.load(ordering: .relaxed) }

  /// Never waits for the disk.
  func append(_ record: UsageRecord) {
    guard sample == 1 || record.id.low % sample == 0 else { return }
    let fits = queue.withLock { queue in
      guard queue.entries.count < Self.capacity, !queue.closes else { return false }
      queue.entries.append(record)
      return true
    }
    if !fits { droppedCount.wrappingAdd(1, ordering: .relaxed) }
  }

  /// Returns when what was in the queue is in the file.
  package func close() {
    queue.withLock { $0.closes = true }
    while !queue.withLock({ $0.isClosed }) { usleep(1000) }
  }

  // MARK: The thread

  private func write() {
    var file = try? Self.openFile(path)
    var text = ""
    while true {
      let (entries, closes) = queue.withLock { queue in
        defer { queue.entries = [] }
        return (queue.entries, queue.closes)
      }
      if !entries.isEmpty {
        // Whoever moves the file away wants a new one.
        if file.map({ !$0.isStill(at: path) }) ?? true {
          if let file { Glibc.close(file.descriptor) }
          file = try? Self.openFile(path)
        }
        text.removeAll(keepingCapacity: true)
        for entry in entries { AccessLine.append(entry, to: &text) }
        if file?.append(&text) == true {
          writtenCount.wrappingAdd(UInt64(entries.count), ordering: .relaxed)
        } else {
          droppedCount.wrappingAdd(UInt64(entries.count), ordering: .relaxed)
        }
      } else if closes {
        break
      }
      if !closes { usleep(Self.writeEveryMicroseconds) }
    }
    if let file { Glibc.close(file.descriptor) }
    queue.withLock { $0.isClosed = true }
  }

  private struct File {
    let descriptor: Int32
    let device: dev_t
    let inode: ino_t

    func isStill(at path: String) -> Bool {
      var status = stat()
      return stat(path, &status) == 0 && status.st_ino == inode && status.st_dev == device
    }

    func append(_ text: inout String) -> Bool {
      text.withUTF8 { bytes in
        var rest = bytes[...]
        while !rest.isEmpty {
          let count = Glibc.write(descriptor, UnsafeBufferPointer(rebasing: rest).baseAddress, rest.count)
          if count < 0, strait_errno() == EINTR { continue }
          guard count > 0 else { return false }
          rest = rest.dropFirst(count)
        }
        return true
      }
    }
  }

  private static func openFile(_ path: String) throws -> File {
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0 else { throw SystemCallError("open") }
    return File(descriptor: descriptor, device: status.st_dev, inode: status.st_ino)
  }
}

/// One exchange as a line.
package enum AccessLine {
  package static func append(_ record: UsageRecord, to text: inout String) {
    text += "{\"time\":\(record.startedAt / 1_000_000).\(sixDigits(record.startedAt % 1_000_000))"
    add("id", record.id.description, &text)
    add("team", record.teamID.description, &text)
    add("key", record.keyID.description, &text)
    add("offer", record.offerID.description, &text)
    add("upstream", record.upstreamID.description, &text)
    add("path", "\(record.endpoint.path)", &text)
    add("protocol", record.clientProtocol == .http2 ? "HTTP/2" : "HTTP/1.1", &text)
    text += ",\"streamed\":\(record.streamed)"
    add("outcome", record.outcome.word, &text)
    add("status", record.status, &text)
    add("upstream_status", record.upstreamStatus, &text)
    add("attempts", record.attempts, &text)
    add("duration_us", record.durationMicroseconds, &text)
    add("first_byte_us", record.firstByteMicroseconds, &text)
    add("request_bytes", record.requestBytes, &text)
    add("response_bytes", record.responseBytes, &text)
    add("input_tokens", record.tokens.input, &text)
    add("output_tokens", record.tokens.output, &text)
    text += "}\n"
  }

  /// The words are ours: none needs escaping.
  private static func add(_ name: String, _ word: String, _ text: inout String) {
    text += ",\"\(name)\":\"\(word)\""
  }

  private static func add(_ name: String, _ number: some BinaryInteger, _ text: inout String) {
    text += ",\"\(name)\":\(number)"
  }

  private static func sixDigits(_ number: Int64) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
  }
}
