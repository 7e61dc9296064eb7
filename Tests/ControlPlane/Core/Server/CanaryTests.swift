import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("Secrets stay where they belong")
struct CanaryTests {
  /// Every cell of every table, as text, and byte strings also as what they spell.
  private static func everything(in running: RunningControlPlane) async throws -> String {
    let tables = try await running.pool.query(
      "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    var text = ""
    for table in tables {
      let name = Statement.quoted(identifier: try table.get("tablename"))
      let rows = try await running.pool.query(
        Statement(generatedFromTrustedPartsOnly: "SELECT to_jsonb(t)::text AS row FROM \(name) AS t"))
      for row in rows { text += try row.get("row", as: String.self) + "\n" }
    }
    return text
  }

  private static func hexadecimal(_ text: String) -> String {
    text.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  @Test("a credential, a key and the tokens are in no answer but their own, no log line and no column")
  func secrets() async throws {
    try await withControlPlane { running in
      let credential = "canary-credential-4711"
      let (answers, key, joinToken) = try await asOperator(of: running) { client in
        var answers = ""
        func note(_ answer: AdminAnswer) { answers += String(decoding: answer.body, as: UTF8.self) }
        note(try await client.send("PUT", AdminRoute.regions, Sample.regions))
        note(try await client.send("POST", AdminRoute.upstreams, Sample.upstream(credential: credential)))
        // Each of these fails, and must not repeat what it was given.
        note(try await client.send("POST", AdminRoute.upstreams, Sample.upstream(credential: credential)))
        note(
          try await client.send(
            "POST", AdminRoute.upstreams, Sample.upstream("b", credential: credential + " ")))
        note(
          try await client.send("POST", AdminRoute.upstreams, raw: Data(#"{"name": "\#(credential)"}"#.utf8)))
        note(try await client.send("GET", AdminRoute.upstreams))
        note(try await client.send("POST", AdminRoute.teams, TeamRequest(name: "red", account: nil)))
        let request = KeyRequest(team: "red", name: nil, validSeconds: nil)
        let key = try await client.send("POST", AdminRoute.keys, request).document(NewKey.self).key
        note(try await client.send("GET", AdminRoute.keys))
        note(try await client.send("DELETE", AdminRoute.keys + "/" + key))
        let join = try await client.send(
          "POST", AdminRoute.joinTokens, JoinTokenRequest(region: "eu-west", validSeconds: nil))
        return (answers, key, try join.document(JoinToken.self).token)
      }
      let edge = try await TestEdge.enrol(running, token: joinToken)
      // The edge is the one place where the credential is wanted.
      let state = try await edge.follow(running) { _, _ in true }
      #expect(state.upstreams.values.map { String(decoding: $0.credential, as: UTF8.self) } == [credential])
      let stored = try await Self.everything(in: running)
      for secret in [credential, key, joinToken, try running.operatorToken()] {
        #expect(!answers.contains(secret))
        #expect(!running.log.text.contains(secret))
        #expect(!stored.contains(secret) && !stored.contains(Self.hexadecimal(secret)))
      }
      // The control: what is stored in the open is found by the same search, and so are bytes.
      #expect(stored.contains("mill"))
      #expect(!running.log.text.isEmpty)
      try await running.pool.query(
        "UPDATE upstreams SET credential_sealed = $1, name = 'leak'", Array(credential.utf8))
      #expect(try await Self.everything(in: running).contains(Self.hexadecimal(credential)))
    }
  }
}
