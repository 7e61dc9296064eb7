// Updates as the tests send them.

import Foundation
import StraitProtocol

enum Updates {
  static let lineage = Data((0..<16).map { UInt8($0 + 100) })
  /// Stands where only memory may hold it.
  static let credential = "canary-credential-5c1f0e7d9a"

  /// Version `version`: a region, an upstream with a credential, an offer, a team and a key.
  static func snapshot(version: UInt64, lineage: Data = lineage) -> WireConfigurationUpdate {
    .with {
      $0.lineage = lineage
      $0.version = version
      $0.last = true
      $0.upserts = [region("eu-west"), upstream(1), offer(2, upstream: 1), team(3), key(4, team: 3)]
    }
  }

  /// One more team.
  static func delta(from: UInt64, to version: UInt64, team number: UInt8) -> WireConfigurationUpdate {
    .with {
      $0.lineage = lineage
      $0.fromVersion = from
      $0.version = version
      $0.last = true
      $0.upserts = [team(number)]
    }
  }

  /// A key of a team that does not exist.
  static func dangling(from: UInt64, to version: UInt64) -> WireConfigurationUpdate {
    .with {
      $0.lineage = lineage
      $0.fromVersion = from
      $0.version = version
      $0.last = true
      $0.upserts = [key(9, team: 77)]
    }
  }

  static func removal(from: UInt64, to version: UInt64, key number: UInt8) -> WireConfigurationUpdate {
    .with {
      $0.lineage = lineage
      $0.fromVersion = from
      $0.version = version
      $0.last = true
      $0.removals = [.with { $0.key = identifier(number) }]
    }
  }

  static func identifier(_ number: UInt8) -> Data { Data([UInt8](repeating: number, count: 16)) }

  static func region(_ name: String) -> WireResource {
    .with { $0.region = .with { $0.name = name } }
  }

  static func upstream(_ number: UInt8) -> WireResource {
    .with {
      $0.upstream = .with {
        $0.id = identifier(number)
        $0.name = "provider"
        $0.region = "eu-west"
        $0.origin = "http://127.0.0.1:9"
        $0.protocol = .http1
        $0.credentialStyle = .bearer
        $0.credential = Data(credential.utf8)
      }
    }
  }

  static func offer(_ number: UInt8, upstream: UInt8) -> WireResource {
    .with {
      $0.offer = .with {
        $0.id = identifier(number)
        $0.upstreamID = identifier(upstream)
        $0.model = "a-model"
        $0.dialect = .openai
      }
    }
  }

  static func team(_ number: UInt8) -> WireResource {
    .with { $0.team = .with { $0.id = identifier(number) } }
  }

  static func key(_ number: UInt8, team: UInt8) -> WireResource {
    .with {
      $0.key = .with {
        $0.id = identifier(number)
        $0.teamID = identifier(team)
        $0.digest = Data(repeating: number, count: 32)
      }
    }
  }
}
