// The keys that an edge knows, by digest: one flat table, read without locks, allocation or reference counting.

import COpenSSL
import Glibc
import StraitProtocol

/// SHA-256 of a key as the client sends it.
package struct KeyDigest: Equatable, BitwiseCopyable, Sendable {
  var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  package init(hashing key: UnsafeRawBufferPointer) {
    withUnsafeMutableBytes(of: &words) { space in
      strait_sha256(key.baseAddress, key.count, space.bindMemory(to: UInt8.self).baseAddress)
    }
  }

  /// - Parameter bytes: exactly 32
  init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
  }

  /// Looks at every word, whatever the first says.
  package static func == (left: KeyDigest, right: KeyDigest) -> Bool {
    (left.words.0 ^ right.words.0) | (left.words.1 ^ right.words.1) | (left.words.2 ^ right.words.2)
      | (left.words.3 ^ right.words.3) == 0
  }
}

/// Who asks: a key that exists, belongs to a team that may ask, and has not expired.
package struct Caller: Equatable, BitwiseCopyable, Sendable {
  /// By which the caller is looked up again when the configuration changes.
  package let digest: KeyDigest
  package let keyID: KeyID
  package let teamID: TeamID
  /// Microseconds since 1970; `Int64.max` for never.
  package let expiresAt: Int64
}

struct KeyTable: ~Copyable, @unchecked Sendable {
  // Written once, in init; afterwards only read, by any thread.
  private let entries: UnsafeMutablePointer<Caller>
  private let used: UnsafeMutablePointer<Bool>
  private let mask: Int
  private(set) var count = 0

  /// - Parameter keys: digests must differ
  init(_ callers: some Collection<Caller>) {
    var capacity = 16
    while capacity < callers.count * 2 { capacity *= 2 }
    mask = capacity - 1
    entries = .allocate(capacity: capacity)
    used = .allocate(capacity: capacity)
    used.initialize(repeating: false, count: capacity)
    for caller in callers {
      // A digest is uniform already: its first word is the hash.
      var index = Int(truncatingIfNeeded: caller.digest.words.0) & mask
      while used[index] { index = (index + 1) & mask }
      (entries + index).initialize(to: caller)
      used[index] = true
      count += 1
    }
  }

  deinit {
    entries.deallocate()
    used.deallocate()
  }

  func find(_ digest: KeyDigest) -> Caller? {
    var index = Int(truncatingIfNeeded: digest.words.0) & mask
    while used[index] {
      if entries[index].digest == digest { return entries[index] }
      index = (index + 1) & mask
    }
    return nil
  }
}
