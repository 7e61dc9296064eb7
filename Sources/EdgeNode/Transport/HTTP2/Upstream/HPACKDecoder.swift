// nghttp2's decoder of header blocks: one for a connection, which has to see every block, wanted or not, to stay in step
// with the peer's table.

import CNghttp2

package struct HPACKDecoder: ~Copyable {
  package enum Step {
    case needMore
    /// `name` and `value` are a field, valid until the next step.
    case field
    /// The block is whole.
    case done
    /// The block is no good, and none behind it can be read.
    case failed
  }

  package private(set) var name = UnsafeRawBufferPointer(start: nil, count: 0)
  package private(set) var value = UnsafeRawBufferPointer(start: nil, count: 0)
  private let inflater: OpaquePointer

  package init() throws {
    var made: OpaquePointer?
    guard strait_nghttp2_inflater_new(&made) == 0, let made else { throw HTTP2SetupError() }
    inflater = made
  }

  deinit {
    nghttp2_hd_inflate_del(inflater)
  }

  /// The peer has acknowledged how large its table may be.
  package mutating func setTableBytes(_ bytes: Int) {
    nghttp2_hd_inflate_change_table_size(inflater, bytes)
  }

  /// - Parameters:
  ///   - rest: what has come of the block and is not read yet
  ///   - isLast: nothing of the block comes behind it
  @inline(__always)
  package mutating func next(_ rest: inout UnsafeRawBufferPointer, isLast: Bool) -> Step {
    var field = nghttp2_nv()
    var flags: Int32 = 0
    let read = nghttp2_hd_inflate_hd2(
      inflater, &field, &flags, rest.bindMemory(to: UInt8.self).baseAddress, rest.count, isLast ? 1 : 0)
    guard read >= 0 else { return .failed }
    rest = UnsafeRawBufferPointer(rebasing: rest[read...])
    if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
      name = UnsafeRawBufferPointer(start: field.name, count: field.namelen)
      value = UnsafeRawBufferPointer(start: field.value, count: field.valuelen)
      return .field
    }
    if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
      nghttp2_hd_inflate_end_headers(inflater)
      return .done
    }
    return isLast || !rest.isEmpty ? .failed : .needMore
  }
}
