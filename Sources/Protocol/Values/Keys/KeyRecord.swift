// A key as edges know it, and its form on the link and on disk: 72 bytes in `ConfigurationUpdate.packed_keys`.

import Foundation

package struct KeyRecord: Equatable, BitwiseCopyable, Sendable {
  /// id 16, team 16, digest 32, expires_at 8 little-endian.
  package static let packedBytes = 72

  package var id: KeyID
  package var teamID: TeamID
  package var digest: KeyDigest
  /// Microseconds since 1970; `Int64.max` for never.
  package var expiresAt: Int64

  /// - Parameter expiresAt: as the contract has it, 0 for never
  package init(id: KeyID, teamID: TeamID, digest: KeyDigest, expiresAt: Int64) {
    self.id = id
    self.teamID = teamID
    self.digest = digest
    self.expiresAt = expiresAt == 0 ? .max : expiresAt
  }

  /// - Parameter bytes: at least `packedBytes`
  package init(packed bytes: UnsafeRawPointer) {
    func word(_ offset: Int) -> UInt64 {
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    self.init(
      id: KeyID(high: word(0), low: word(8)), teamID: TeamID(high: word(16), low: word(24)),
      digest: bytes.loadUnaligned(fromByteOffset: 32, as: KeyDigest.self),
      expiresAt: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 64, as: Int64.self)))
  }

  /// - Returns: nil where an id or the digest has another length than it must have
  package init?(_ wire: WireKey) {
    guard let id = KeyID(bytes: wire.id), let team = TeamID(bytes: wire.teamID),
      let digest = KeyDigest(bytes: wire.digest)
    else { return nil }
    self.init(id: id, teamID: team, digest: digest, expiresAt: wire.expiresAt)
  }

  /// - Parameter space: at least `packedBytes`
  package func pack(into space: UnsafeMutableRawPointer) {
    space.storeBytes(of: id.high.bigEndian, toByteOffset: 0, as: UInt64.self)
    space.storeBytes(of: id.low.bigEndian, toByteOffset: 8, as: UInt64.self)
    space.storeBytes(of: teamID.high.bigEndian, toByteOffset: 16, as: UInt64.self)
    space.storeBytes(of: teamID.low.bigEndian, toByteOffset: 24, as: UInt64.self)
    space.storeBytes(of: digest, toByteOffset: 32, as: KeyDigest.self)
    space.storeBytes(of: wireExpiry.littleEndian, toByteOffset: 64, as: Int64.self)
  }

  /// As an edge of the contract's first form takes it.
  package var wire: WireKey {
    .with {
      $0.id = Data(id.bytes)
      $0.teamID = Data(teamID.bytes)
      $0.digest = Data(digest.bytes)
      $0.expiresAt = wireExpiry
    }
  }

  private var wireExpiry: Int64 { expiresAt == .max ? 0 : expiresAt }
}

/// Keys in their packed form, in the order in which they were added.
package struct PackedKeys: Sendable {
  package private(set) var bytes = Data()

  package init(expecting count: Int = 0) {
    bytes.reserveCapacity(count * KeyRecord.packedBytes)
  }

  package var count: Int { bytes.count / KeyRecord.packedBytes }

  package mutating func append(_ key: KeyRecord) {
    withUnsafeTemporaryAllocation(byteCount: KeyRecord.packedBytes, alignment: 8) { space in
      guard let start = space.baseAddress else { return }
      key.pack(into: start)
      bytes.append(contentsOf: UnsafeRawBufferPointer(space))
    }
  }

  /// Every key in `bytes`, whose length must be a multiple of a record's.
  package static func forEach<Fault: Error>(
    in bytes: Data, _ body: (KeyRecord) throws(Fault) -> Void
  ) throws(Fault) {
    let count = bytes.count / KeyRecord.packedBytes
    let result: Result<Void, Fault> = bytes.withUnsafeBytes { space in
      guard let start = space.baseAddress else { return .success(()) }
      do throws(Fault) {
        for index in 0..<count { try body(KeyRecord(packed: start + index * KeyRecord.packedBytes)) }
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }
}
