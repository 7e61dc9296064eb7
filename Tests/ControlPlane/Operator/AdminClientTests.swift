import AdminAPI
import Foundation
import OperatorCommand
import Testing
import X509

@Suite("A request to the admin API")
struct AdminClientTests {
  /// Runs the body with a client for the stub, which trusts it unless another CA is given.
  private func client(
    of stub: AdminStub, host: String = "127.0.0.1", authority: String? = nil,
    _ body: (AdminClient) async throws -> Void
  ) async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "strait-ca-\(UUID().uuidString).pem")
    try Data((authority ?? stub.certificate).utf8).write(to: file)
    defer {
      do { try FileManager.default.removeItem(at: file) } catch { Issue.record(error) }
    }
    let environment = [
      "STRAIT_ADMIN_URL": "https://\(host):\(stub.port)", "STRAIT_ADMIN_TOKEN": "canary-token",
      "STRAIT_CA_FILE": file.path,
    ]
    let settings = try ConnectionSettings.choose(flag: nil, environment: environment) { () in ProfileFile() }
    try await AdminClient.connected(to: settings, body)
  }

  /// What a listing fails with.
  private func fault(_ client: AdminClient) async -> OperatorFault? {
    do throws(OperatorFault) {
      let _: [RegionDocument] = try await client.get(AdminRoute.regions)
      return nil
    } catch {
      return error
    }
  }

  @Test("carries the token, and its answer becomes the document")
  func get() async throws {
    let body = #"[{"name":"a","title":"b","jurisdiction":"c","country":"d"}]"#
    try await AdminStub.running(.json(body)) { stub in
      try await client(of: stub) { client in
        let regions: [RegionDocument] = try await client.get(AdminRoute.regions)
        #expect(regions.map(\.name) == ["a"])
      }
      #expect(
        stub.log.all == [.init(line: "GET /admin/v1/regions", authorization: "Bearer canary-token", body: "")]
      )
    }
  }

  @Test("carries values that cannot change its path or add a parameter")
  func encoded() async throws {
    let key = #"{"id":"a","public_id":"b","team":"c","name":"d","created_at":"e"}"#
    try await AdminStub.running(.json(key)) { stub in
      try await client(of: stub) { client in
        let _: KeySummary = try await client.delete(AdminRoute.keys, id: "../teams/a?b=c\r\nx: é")
        let _: KeySummary = try await client.get(
          AdminRoute.usage, query: [("team", "a&limit=9 +"), ("key", nil)])
      }
      #expect(
        stub.log.all.map(\.line) == [
          "DELETE /admin/v1/keys/..%2Fteams%2Fa%3Fb%3Dc%0D%0Ax%3A%20%C3%A9",
          "GET /admin/v1/usage?team=a%26limit%3D9%20%2B",
        ])
    }
  }

  @Test("carries its document as JSON")
  func post() async throws {
    let team = #"{"id":"a","name":"b","account":"c","suspended":false,"created_at":"d"}"#
    try await AdminStub.running(.json(team)) { stub in
      try await client(of: stub) { client in
        let made: TeamSummary = try await client.post(AdminRoute.teams, TeamRequest(name: "b", account: nil))
        #expect(made.id == "a")
      }
      #expect(stub.log.all.map(\.body) == [#"{"name":"b"}"#])
    }
  }

  @Test("follows no redirect, which could carry the token to another place")
  func redirect() async throws {
    let answer = AdminStub.Answer.reply(
      307, type: "text/plain", body: "", headers: ["location": "/admin/v1/teams"])
    try await AdminStub.running(answer) { stub in
      try await client(of: stub) { client in
        #expect(await fault(client)?.message.contains("is not a control plane's admin API") == true)
      }
      #expect(stub.log.all.count == 1)
    }
  }

  @Test("sends no token to a health check")
  func probe() async throws {
    try await AdminStub.running(.reply(503, type: "application/json", body: "{}")) { stub in
      try await client(of: stub) { client in
        let status = try await client.probe(AdminRoute.readiness)
        #expect(status == 503)
      }
      #expect(stub.log.all == [.init(line: "GET /readyz", authorization: nil, body: "")])
    }
  }

  @Test("does not leave for a server whose certificate another authority signed")
  func untrusted() async throws {
    try await AdminStub.running(.json("[]")) { other in
      try await AdminStub.running(.json("[]")) { stub in
        try await client(of: stub, authority: other.certificate) { client in
          #expect(await fault(client)?.message.contains("its certificate is not from the CA in") == true)
        }
        #expect(stub.log.all.isEmpty)
      }
    }
  }

  @Test("does not leave for a server whose certificate is for another name")
  func otherName() async throws {
    try await AdminStub.running(.json("[]"), names: [.dnsName("elsewhere.example")]) { stub in
      for host in ["127.0.0.1", "localhost"] {
        try await client(of: stub, host: host) { client in
          #expect(await fault(client)?.message.contains("is for another name") == true)
        }
      }
      #expect(stub.log.all.isEmpty)
    }
  }

  @Test("does not leave for a server that speaks no TLS")
  func cleartext() async throws {
    try await AdminStub.running(.json("[]"), tls: false) { stub in
      try await client(of: stub) { client in
        #expect(await fault(client)?.message.contains("does not speak TLS") == true)
      }
      #expect(stub.log.all.isEmpty)
    }
  }

  @Test("says when the connection ends before the answer")
  func closed() async throws {
    try await AdminStub.running(.close) { stub in
      try await client(of: stub) { client in
        #expect(await fault(client)?.message.contains("was closed before the answer") == true)
      }
    }
  }

  @Test("says at once when nothing listens there, and shows no token")
  func refused() async throws {
    // Port 1 is privileged and nothing listens on it; an ephemeral port that was just freed could be taken again.
    try await AdminStub.running(.json("[]")) { stub in
      let away = AdminStub(port: 1, certificate: stub.certificate, log: stub.log)
      try await client(of: away) { client in
        let fault = try #require(await fault(client))
        #expect(
          fault.message == "could not reach the control plane at https://127.0.0.1:1: connection refused")
        #expect(!fault.text.contains("canary"))
      }
    }
  }
}
