import AdminAPI
import Foundation
import OperatorCommand
import Testing

private let file = ProfileFile(
  current: "dev",
  profiles: [
    "dev": Profile(adminURL: "https://dev:9443", tokenFile: "/dev-token", caFile: "/dev-ca"),
    "prod": Profile(adminURL: "https://prod", tokenFile: "/prod-token", caFile: nil),
  ])

/// The choice as text: address, where the token comes from, CA.
private func chosen(
  flag: String? = nil, _ environment: [String: String] = [:], _ file: ProfileFile = file
) throws -> String {
  let settings = try ConnectionSettings.choose(flag: flag, environment: environment) { () in file }
  let token =
    switch settings.token {
    case .file(let path): path
    case .environment(let secret): "text of \(secret.text.count)"
    }
  return "\(settings.address) \(token) \(settings.caFile ?? "system")"
}

@Suite("The control plane that a command talks to")
struct ConnectionSettingsTests {
  @Test("is the current profile's where nothing else is said")
  func current() throws {
    #expect(try chosen() == "https://dev:9443 /dev-token /dev-ca")
  }

  @Test("is another profile's by the environment, and by the flag before that")
  func named() throws {
    #expect(try chosen(["STRAIT_PROFILE": "prod"]) == "https://prod /prod-token system")
    #expect(try chosen(flag: "dev", ["STRAIT_PROFILE": "prod"]) == "https://dev:9443 /dev-token /dev-ca")
  }

  @Test("is the environment's before the profile's")
  func environment() throws {
    let variables = [
      "STRAIT_ADMIN_URL": "https://other:1", "STRAIT_ADMIN_TOKEN": "four", "STRAIT_CA_FILE": "/ca",
    ]
    #expect(try chosen(variables) == "https://other:1 text of 4 /ca")
    #expect(try chosen(["STRAIT_ADMIN_TOKEN_FILE": "/t"]) == "https://dev:9443 /t /dev-ca")
    #expect(try chosen(["STRAIT_CA_FILE": "/ca"]) == "https://dev:9443 /dev-token /ca")
    #expect(
      try chosen(["STRAIT_ADMIN_URL": "", "STRAIT_PROFILE": ""]) == "https://dev:9443 /dev-token /dev-ca")
  }

  @Test("is the flag's profile alone, whatever the environment says")
  func flagAlone() throws {
    let variables = [
      "STRAIT_ADMIN_URL": "https://other:1", "STRAIT_ADMIN_TOKEN": "four", "STRAIT_CA_FILE": "/ca",
    ]
    #expect(try chosen(flag: "prod", variables) == "https://prod /prod-token system")
  }

  @Test("never gets the token that a profile keeps for another address")
  func bound() throws {
    #expect(throws: OperatorFault.self) { try chosen(["STRAIT_ADMIN_URL": "https://other:1"]) }
    // The control: with the profile's own address the profile's token is used.
    #expect(try chosen(["STRAIT_ADMIN_URL": "https://DEV:9443/"]) == "https://dev:9443 /dev-token /dev-ca")
  }

  @Test("must be chosen, and must exist")
  func absent() {
    #expect(throws: OperatorFault.self) { try chosen([:], ProfileFile()) }
    #expect(throws: OperatorFault.self) { try chosen(flag: "nope") }
  }

  @Test(
    "has an address of scheme, host and port alone",
    arguments: [
      "http://a", "a:443", "https://", "https://a/b", "https://a?b", "https://u:p@a", "https://a#b", "",
      "https://a:0", "https://a:70000", "ftp://a",
    ])
  func addresses(text: String) {
    #expect(throws: OperatorFault.self) { try AdminAddress(text, source: "a test") }
  }

  @Test("has an address that is written back in its plain form")
  func plain() throws {
    #expect(try AdminAddress("https://Host:443/", source: "").description == "https://host")
    #expect(try AdminAddress("https://[::1]:9443", source: "").description == "https://[::1]:9443")
  }
}

@Suite("Profiles on disk")
struct ProfileFileTests {
  @Test("come back as they were saved, readable by their owner alone")
  func saved() throws {
    try withFolder { folder in
      let path = folder + "/config/strait/profiles.yaml"
      try file.save(to: path)
      #expect(try ProfileFile.load(from: path) == file)
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      #expect(mode == 0o600)
      try ProfileFile().save(to: path)
      #expect(try ProfileFile.load(from: path) == ProfileFile())
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder + "/config/strait") == ["profiles.yaml"])
    }
  }

  @Test("that are not there are no profiles, and broken ones are an error")
  func broken() throws {
    try withFolder { folder in
      #expect(try ProfileFile.load(from: folder + "/none.yaml") == ProfileFile())
      for text in ["profiles: [", "profiles:\n  a: {}\n", "", "profiles: 3\n"] {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/profiles.yaml"))
        #expect(throws: OperatorFault.self) { try ProfileFile.load(from: folder + "/profiles.yaml") }
      }
    }
  }

  @Test("lie where the XDG specification says")
  func place() throws {
    #expect(
      try ProfileFile.path(environment: ["XDG_CONFIG_HOME": "/x", "HOME": "/h"]) == "/x/strait/profiles.yaml")
    #expect(
      try ProfileFile.path(environment: ["XDG_CONFIG_HOME": "x", "HOME": "/h"])
        == "/h/.config/strait/profiles.yaml")
    #expect(throws: OperatorFault.self) { try ProfileFile.path(environment: [:]) }
  }
}

@Suite("A secret")
struct SecretTests {
  @Test("is read from a file without the white space around it")
  func read() throws {
    try withFolder { folder in
      try write("  tok-1\r\n", to: folder + "/token", mode: 0o600)
      #expect(try Secret.read(file: folder + "/token", what: "token").text == "tok-1")
      // A group may share an operator's token; the world may not.
      try write("tok-2", to: folder + "/shared", mode: 0o640)
      #expect(try Secret.read(file: folder + "/shared", what: "token").text == "tok-2")
    }
  }

  @Test("is refused from a file that every user can read", arguments: [0o604, 0o602, 0o666, 0o644])
  func open(mode: Int) throws {
    try withFolder { folder in
      try write("tok-1", to: folder + "/token", mode: mode)
      let fault = #expect(throws: OperatorFault.self) {
        try Secret.read(file: folder + "/token", what: "token")
      }
      #expect(fault?.message.contains("is open to every user of this machine") == true)
      #expect(fault?.text.contains("tok-1") == false)
    }
  }

  @Test(
    "is one line of visible ASCII",
    arguments: ["", " \n", "a\nb", "a b", "é", "a\u{0}b", String(repeating: "a", count: 16385)])
  func malformed(text: String) throws {
    #expect(throws: OperatorFault.self) { try Secret(Array(text.utf8), source: "a test") }
    try withFolder { folder in
      try write(text, to: folder + "/token", mode: 0o600)
      #expect(throws: OperatorFault.self) { try Secret.read(file: folder + "/token", what: "token") }
      #expect(throws: OperatorFault.self) { try Secret.read(file: folder, what: "token") }
      #expect(throws: OperatorFault.self) { try Secret.read(file: folder + "/none", what: "token") }
    }
  }

  @Test("does not print")
  func hidden() throws {
    let secret = try Secret(Array("canary-7".utf8), source: "a test")
    var dumped = ""
    dump(secret, to: &dumped)
    #expect(!"\(secret) \(String(reflecting: secret)) \(dumped) \([secret])".contains("canary-7"))
  }

  private func write(_ text: String, to path: String, mode: Int) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
  }
}

func withFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appending(path: "strait-operator-\(UUID().uuidString)")
    .path
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer {
    do { try FileManager.default.removeItem(atPath: folder) } catch { Issue.record(error) }
  }
  try body(folder)
}

@Suite("An answer of the admin API")
struct AdminAnswerTests {
  private func fault(_ status: Int, _ type: String?, _ body: String) throws -> OperatorFault? {
    let settings = try ConnectionSettings.choose(flag: nil, environment: [:]) { () in file }
    let answer = AdminAnswer(status: status, contentType: type, body: Data(body.utf8))
    do throws(OperatorFault) {
      let _: [RegionDocument] = try answer.document(from: settings)
      return nil
    } catch {
      return error
    }
  }

  @Test("that is a document is the document")
  func document() throws {
    #expect(try fault(200, "application/json", "[]") == nil)
    #expect(try fault(201, "application/json; charset=utf-8", "[]") == nil)
  }

  @Test("that refuses says the server's words and its hint")
  func refusal() throws {
    let body = #"{"error":{"code":"conflict","message":"team blue exists","hint":"choose another name"}}"#
    #expect(
      try fault(409, "application/json", body)
        == OperatorFault("team blue exists (conflict)", next: "choose another name"))
    let bare = #"{"error":{"code":"not_found","message":"no team red"}}"#
    #expect(
      try fault(404, "application/json", bare)
        == OperatorFault("no team red (not_found)", next: "see what there is with the matching list command"))
  }

  @Test("that does not know the token names the place of the token")
  func unauthorized() throws {
    #expect(
      try fault(401, nil, "")?.next == "put a token of this control plane into the token file /dev-token")
  }

  @Test(
    "that is no admin API's is told apart, and its text is not shown",
    arguments: [
      (502, "text/html", "<b>canary</b>"), (200, "text/html", "<b>canary</b>"), (404, "", "canary"),
    ])
  func foreign(status: Int, type: String, body: String) throws {
    let fault = try #require(try fault(status, type, body))
    #expect(fault.message.contains("is not a control plane's admin API"))
    #expect(!fault.text.contains("canary"))
  }

  @Test("that is JSON of another kind asks for the versions to be compared")
  func otherDocument() throws {
    #expect(
      try fault(200, "application/json", #"{"x":1}"#)?.next == "compare the versions with: strait doctor")
    #expect(try fault(200, "application/json", "[{")?.next == "compare the versions with: strait doctor")
  }
}
