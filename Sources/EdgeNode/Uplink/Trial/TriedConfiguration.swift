// The other end: a configuration as a trial process gets it.

import Foundation
import Glibc
import StraitProtocol

package enum TriedConfiguration {
  /// A part of a snapshot, and room for a resource that is larger than a part.
  private static let partBytes = 64 << 20

  /// Reads parts, each after its length in four bytes, little-endian, until the other side has said all.
  package static func read(from descriptor: Int32) throws -> ConfigurationState {
    var edit: ConfigurationEdit?
    while let prefix = try bytes(4, from: descriptor) {
      let count = prefix.reversed().reduce(0) { $0 << 8 | Int($1) }
      guard count <= partBytes, let bytes = try bytes(count, from: descriptor) else {
        throw SystemError("read", "a configuration to try", code: EMSGSIZE)
      }
      let part = try WireConfigurationUpdate(serializedBytes: bytes)
      if edit == nil { edit = try ConfigurationEdit(of: ConfigurationState(), beginning: part) }
      try edit?.take(part)
    }
    guard let edit else { throw ConfigurationFault.incomplete }
    return try edit.finished()
  }

  /// - Returns: nil at the end of what there is
  private static func bytes(_ count: Int, from descriptor: Int32) throws -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = bytes.withUnsafeMutableBytes { space in
        Glibc.read(descriptor, space.baseAddress.map { $0 + filled }, count - filled)
      }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw SystemError("read", "a configuration to try") }
      if got == 0 {
        guard filled == 0 else { throw SystemError("read", "a configuration to try", code: EPIPE) }
        return nil
      }
      filled += got
    }
    return bytes
  }
}
