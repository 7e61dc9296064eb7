import ControlPlaneCore
import Foundation
import GRPCCore
import StraitControlLink
import StraitProtocol
import Testing

@Suite("Telling an edge that it is in step")
struct InStepTests {
  @Test("a report is answered once the edge runs what it is to run, and not while it lags or refuses")
  func story() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      try await edge.converse(running) { say, messages in
        say(.with { $0.hello = .with { $0.contract = ContractLevel.current.rawValue } })
        say(.mark(11))
        let first = try await messages.next()
        #expect(first.last && first.inStep == 0)
        say(.acknowledging(first.version))
        #expect(try await messages.next().inStep == 11)
        say(.mark(12))
        #expect(try await messages.next() == .with { $0.inStep = 12 })

        // A newer version, refused: what comes next is a configuration, and no answer.
        _ = try await running.makeKey()
        let second = try await messages.next()
        #expect(second.last && second.version > first.version)
        say(.mark(13))
        say(.with { $0.refusal = .with { $0.version = second.version } })
        let third = try await messages.next()
        #expect(third.inStep == 0 && third.last)
        say(.mark(14))
        say(.acknowledging(third.version))
        var answer = try await messages.next()
        // The version may have been taken back meanwhile.
        while answer.inStep == 0 {
          say(.acknowledging(answer.version))
          answer = try await messages.next()
        }
        #expect(answer.inStep == 14)
      }
    }
  }

  @Test("an edge that does not mark its reports gets no answers, which it would not understand")
  func older() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      try await edge.converse(running) { say, messages in
        say(.with { $0.hello = .init() })
        let first = try await messages.next()
        say(.acknowledging(first.version))
        for _ in 0..<3 { say(.mark(0)) }
        _ = try await running.makeKey()
        let second = try await messages.next()
        #expect(second.inStep == 0 && second.version == first.version + 1)
      }
    }
  }

  @Test("an edge that refuses one change after another gets everything, and goes on from there")
  func refusing() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      try await edge.converse(running) { say, messages in
        say(.with { $0.hello = .with { $0.contract = ContractLevel.current.rawValue } })
        var standing = try await messages.next()
        say(.acknowledging(standing.version))
        for _ in 0..<2 {
          _ = try await running.makeKey()
          // Or what takes back what was refused before.
          let delta = try await messages.next()
          #expect(delta.fromVersion == standing.version)
          say(.with { $0.refusal = .with { $0.version = delta.version } })
          standing = try await messages.next()
          // What crossed the refusal on the way is refused like it.
          while standing.fromVersion > 0 {
            let crossing = standing.version
            say(.with { $0.refusal = .with { $0.version = crossing } })
            standing = try await messages.next()
          }
          #expect(standing.version >= delta.version)
          #expect(standing.contentHash.count == 32)
          say(.acknowledging(standing.version))
        }
        _ = try await running.makeKey()
        let taken = try await messages.next()
        #expect(taken.fromVersion == standing.version)
        say(.acknowledging(taken.version))
      }
    }
  }
}

extension WireConfigurationStatus {
  fileprivate static func mark(_ mark: Int64) -> Self { .with { $0.report = .with { $0.mark = mark } } }
  fileprivate static func acknowledging(_ version: UInt64) -> Self {
    .with { $0.acknowledgement = .with { $0.version = version } }
  }
}

/// What comes down a stream, one after the other.
private struct Messages {
  var iterator: RPCAsyncSequence<WireConfigurationUpdate, any Error>.AsyncIterator

  mutating func next() async throws -> WireConfigurationUpdate {
    guard let message = try await iterator.next() else {
      throw RPCError(code: .unavailable, message: "the stream ended")
    }
    return message
  }
}

extension TestEdge {
  fileprivate func converse(
    _ running: RunningControlPlane,
    _ body: @escaping @Sendable ((WireConfigurationStatus) -> Void, inout Messages) async throws -> Void
  ) async throws {
    let (statuses, outgoing) = AsyncStream.makeStream(of: WireConfigurationStatus.self)
    try await withLink(port: running.ports.link, security: security) { client in
      try await WireConfiguration.Client(wrapping: client).follow { writer in
        for await status in statuses { try await writer.write(status) }
      } onResponse: { response in
        defer { outgoing.finish() }
        var messages = Messages(iterator: response.messages.makeAsyncIterator())
        try await body({ outgoing.yield($0) }, &messages)
      }
    }
  }
}
