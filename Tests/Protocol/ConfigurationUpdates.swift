// Updates as the tests of configurations make them.

import Foundation
import StraitProtocol

let lineage = Data(repeating: 9, count: 16)

func update(
  from: UInt64 = 0, to version: UInt64, last: Bool = true, lineage: Data = lineage,
  _ upserts: [WireResource] = [],
  removing removals: [WireResourceReference] = []
) -> WireConfigurationUpdate {
  .with { update in
    update.lineage = lineage
    update.fromVersion = from
    update.version = version
    update.last = last
    update.upserts = upserts
    update.removals = removals
  }
}
