// The addresses of a control plane, any of whose replicas serves any edge, and the one whose turn it is.

import StraitProtocol
import Synchronization

package final class Replicas: Sendable {
  package let addresses: [LinkAddress]
  private let turn: Mutex<Int>

  /// - Parameters:
  ///   - addresses: one at least
  ///   - first: whose turn it is at first; any, so that edges that start together spread
  package init(_ addresses: [LinkAddress], first: Int? = nil) {
    precondition(!addresses.isEmpty, "a control plane without an address")
    self.addresses = addresses
    turn = Mutex(first ?? Int.random(in: addresses.indices))
  }

  package convenience init(texts: [String]) throws(UplinkError) {
    var addresses: [LinkAddress] = []
    for text in texts { addresses.append(try LinkAddress(text)) }
    self.init(addresses)
  }

  package var current: LinkAddress { addresses[turn.withLock { $0 }] }

  /// The next one's turn after one that did not serve. Several who gave up the same one move on once.
  package func leave(_ address: LinkAddress) {
    turn.withLock { turn in
      if addresses[turn] == address { turn = (turn + 1) % addresses.count }
    }
  }
}
