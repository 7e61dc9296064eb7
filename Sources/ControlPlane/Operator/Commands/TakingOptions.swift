// What commands that take access away have in common: the second confirmation, and the wait until it is in force.

import AdminAPI
import ArgumentParser

struct TakingOptions: ParsableArguments {
  @Option(help: "How many good keys are to go: needed where they are more than a fifth of all.")
  var confirm: Int?

  @Flag(
    help:
      "Wait until it is in force at every edge that has a link; fail if that takes longer than 30 seconds.")
  var wait = false

  private static let waitSeconds: Int64 = 30

  init() {}

  /// - Returns: the revocations as they stand, and what keeps them from being in force everywhere where that was awaited
  func follow(
    _ revocations: [RevocationSummary], _ client: AdminClient
  ) async throws -> (revocations: [RevocationSummary], unmet: OperatorFault?) {
    guard wait else { return (revocations, nil) }
    var current = revocations
    let end = currentSeconds() + Self.waitSeconds
    while current.contains(where: { !$0.isSettled }), currentSeconds() < end {
      try await Task.sleep(for: .milliseconds(100))
      for (index, revocation) in current.enumerated() where !revocation.isSettled {
        current[index] = try await client.get(AdminRoute.revocations, id: String(revocation.number))
      }
    }
    for gap in current.flatMap(\.missing) where !gap.connected {
      Output.note("edge \(gap.edge) in \(gap.region) has no link; it learns of it at its return")
    }
    return (current, unmet(current.flatMap(\.missing).filter(\.connected)))
  }

  private func unmet(_ gaps: [RevocationGap]) -> OperatorFault? {
    guard !gaps.isEmpty else { return nil }
    return OperatorFault(
      "\(gaps.count) edges do not have it in force", next: "see strait revocation list, and the edges' logs",
      details: gaps.map { "edge \($0.edge) in \($0.region): \($0.refusal ?? "no word yet")" })
  }
}

extension RevocationSummary {
  /// Every edge that has a link has said what became of it.
  fileprivate var isSettled: Bool { missing.allSatisfy { !$0.connected || $0.refusal != nil } }
}
