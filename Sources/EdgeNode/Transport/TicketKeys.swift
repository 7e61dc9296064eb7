// The keys of session tickets. Each UTC day has a key of its own, derived from a secret: edges that share the secret
// accept each other's tickets with no word between them, and a ticket dies with its day's key.

import COpenSSL
import Glibc
import Synchronization

/// Which days' keys count now. A decision, apart from how a key is made.
package struct TicketDays {
  package static let secondsADay: Int64 = 86_400

  /// A ticket lasts a day at the most, so yesterday's are still about. A sibling's clock may be ahead.
  package static func accepted(nowSeconds: Int64) -> [Int64] {
    let today = nowSeconds / secondsADay
    return [today, today - 1, today + 1]
  }
}

package final class TicketKeys: Sendable {
  private struct Ring {
    var today: Int64 = -1
    var keys = [strait_ticket_key]()
  }

  package static let leastSecretBytes = 32

  private let secret: [UInt8]
  private let ring = Mutex(Ring())

  /// - Parameter secret: at least `leastSecretBytes` of randomness
  package init(secret: [UInt8]) {
    self.secret = secret
  }

  /// Keys that nobody else has, good until the process ends.
  package convenience init() {
    var secret = [UInt8](repeating: 0, count: Self.leastSecretBytes)
    RAND_bytes(&secret, Int32(secret.count))
    self.init(secret: secret)
  }

  /// Today's key where `name` is nil, else the key of that name if it still counts.
  func key(named name: UnsafePointer<UInt8>?, nowSeconds: Int64) -> strait_ticket_key? {
    ring.withLock { ring in
      let today = nowSeconds / TicketDays.secondsADay
      if ring.today != today {
        ring.today = today
        ring.keys = TicketDays.accepted(nowSeconds: nowSeconds).compactMap(derive)
      }
      guard let name else { return ring.keys.first }
      return ring.keys.first { key in
        withUnsafeBytes(of: key.name) { CRYPTO_memcmp($0.baseAddress, name, $0.count) == 0 }
      }
    }
  }

  private func derive(_ day: Int64) -> strait_ticket_key? {
    var key = strait_ticket_key()
    return strait_derive_ticket_key(secret, secret.count, day, &key) == 1 ? key : nil
  }

  /// For OpenSSL. `owner` is the ring, which the context keeps alive.
  static let lookup: strait_ticket_lookup = { owner, name, into in
    guard let owner, let into else { return 0 }
    let keys = Unmanaged<TicketKeys>.fromOpaque(owner)
    guard let key = keys._withUnsafeGuaranteedRef({ $0.key(named: name, nowSeconds: Int64(time(nil))) })
    else { return 0 }
    into.pointee = key
    return 1
  }
}
