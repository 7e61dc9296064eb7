// A disk that takes everything and does not give it back, as a test says.

import EdgeUplink
import Glibc
import Synchronization

final class UnreadableDisk: Sendable {
  private struct State {
    var refusal: Int32 = 0
    var refusalsLeft = 0
    var refusals = 0
    var damaged: [String: ClosedRange<Int>] = [:]
    var beforeNextRead: (@Sendable () -> Void)?

    /// - Returns: an error number, or 0 and how many bytes there are before the first bad slot
    mutating func answer(_ path: String, _ offset: Int, _ wanted: Int) -> (Int32, Int) {
      if refusal != 0, refusalsLeft > 0 {
        refusalsLeft -= 1
        refusals += 1
        return (refusal, 0)
      }
      guard let slots = damaged[path] else { return (0, wanted) }
      let start = SpoolFormat.headerBytes + slots.lowerBound * SpoolFormat.slotBytes
      let end = SpoolFormat.headerBytes + (slots.upperBound + 1) * SpoolFormat.slotBytes
      if offset >= end || offset + wanted <= start { return (0, wanted) }
      guard offset < start else {
        refusals += 1
        return (EIO, 0)
      }
      return (0, start - offset)
    }
  }

  private let state = Mutex(State())

  /// Every read fails from here on, or so many; 0 ends it.
  func refuse(_ code: Int32, times: Int = .max) {
    state.withLock {
      $0.refusal = code
      $0.refusalsLeft = times
    }
  }

  /// These slots of the file are bad for good.
  func damage(_ path: String, slots: ClosedRange<Int>) { state.withLock { $0.damaged[path] = slots } }

  /// Done once, when the reader has chosen its file and not opened it yet.
  func beforeNextRead(_ action: @escaping @Sendable () -> Void) {
    state.withLock { $0.beforeNextRead = action }
  }

  /// How many reads have failed.
  var refusals: Int { state.withLock { $0.refusals } }

  var calls: SpoolDisk {
    var disk = SpoolDisk.linux
    disk.read = { path, offset, buffer in self.read(path, offset, buffer) }
    return disk
  }

  private func read(_ path: String, _ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
    let action = state.withLock { state in
      let action = state.beforeNextRead
      state.beforeNextRead = nil
      return action
    }
    action?()
    let wanted = buffer.count
    let (refusal, readable) = state.withLock { $0.answer(path, offset, wanted) }
    guard refusal == 0 else { return -Int(refusal) }
    return SpoolDisk.linux.read(path, offset, UnsafeMutableRawBufferPointer(rebasing: buffer[..<readable]))
  }
}
