// A mark on disk from before the stored configuration is taken until the edge has proved to live with it: whoever finds
// one knows that the process before died on the way.
//
//     0  magic "STRSTART" · 8 format u32 · 12 CRC-32C of what follows u32
//    16  boot 16 bytes · deaths u32 · under way u32

package struct StartMark: Sendable, Equatable {
  /// The machine's start in which the process began.
  package var boot: [UInt8]
  /// Starts in a row that died before they had proved themselves.
  package var deaths: UInt32
  /// Nobody has said yet how this start ended.
  package var isUnderWay: Bool

  package init(boot: [UInt8], deaths: UInt32, isUnderWay: Bool) {
    self.boot = boot
    self.deaths = deaths
    self.isUnderWay = isUnderWay
  }

  /// The mark of the next start. A process that was asked to end has said so, and one that went with its machine says
  /// nothing of the configuration: neither is a death, and neither is a proof.
  package static func next(after last: StartMark?, boot: [UInt8]) -> StartMark {
    guard let last else { return StartMark(boot: boot, deaths: 0, isUnderWay: true) }
    let died = last.isUnderWay && last.boot == boot
    return StartMark(
      boot: boot, deaths: died && last.deaths < .max ? last.deaths + 1 : last.deaths, isUnderWay: true)
  }

  // MARK: On disk

  private static let magic = Array("STRSTART".utf8)
  private static let format: UInt32 = 1
  package static let bytes = 40

  package var encoded: [UInt8] {
    let body = boot + littleEndian(deaths) + littleEndian(UInt32(isUnderWay ? 1 : 0))
    return Self.magic + littleEndian(Self.format) + littleEndian(checksum(body)) + body
  }

  /// - Returns: nil for anything else than what `encoded` gives
  package init?(_ file: [UInt8]) {
    guard file.count == Self.bytes, Array(file[..<8]) == Self.magic,
      word(file, 8, as: UInt32.self) == Self.format,
      word(file, 12, as: UInt32.self) == checksum(Array(file[16...]))
    else { return nil }
    boot = Array(file[16..<32])
    deaths = word(file, 32, as: UInt32.self)
    isUnderWay = word(file, 36, as: UInt32.self) != 0
  }
}
