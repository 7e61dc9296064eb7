import ControlPlaneCore
import StraitSettings
import Testing

@Suite("The configuration file")
struct SettingsTests {
  private static func tree(_ change: (inout [String: SettingsTree]) -> Void = { _ in }) -> SettingsTree {
    var top: [String: SettingsTree] = [
      "database_url": .scalar("postgresql://strait@127.0.0.1:5432/strait"),
      "data_directory": .scalar("/var/lib/strait"),
      "admin": mapping([
        "listen": .scalar("127.0.0.1:8443"), "certificate_file": .scalar("a.pem"),
        "private_key_file": .scalar("b.pem"),
      ]),
      "control_link": mapping([
        "listen": .scalar("[::1]:7443"), "enrolment_listen": .scalar("127.0.0.1:7444"),
        "server_names": .sequence([.scalar("localhost"), .scalar("127.0.0.1")]),
      ]),
    ]
    change(&top)
    return mapping(top)
  }

  private static func mapping(_ values: [String: SettingsTree]) -> SettingsTree {
    .mapping(values.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) })
  }

  @Test("a whole file is read")
  func whole() throws {
    let settings = try ControlPlaneSettings(Self.tree())
    #expect(settings.admin.listen == ListenAddress(host: "127.0.0.1", port: 8443))
    #expect(settings.controlLink.listen == ListenAddress(host: "::1", port: 7443))
    #expect(settings.logLevel == .info)
  }

  @Test("an unknown key, a missing key and a bad value are refused with their path")
  func faults() {
    func path(_ change: (inout [String: SettingsTree]) -> Void) -> String? {
      #expect(throws: SettingsFault.self) { try ControlPlaneSettings(Self.tree(change)) }?.path
    }
    #expect(path { $0["databse_url"] = .scalar("x") } == "databse_url")
    #expect(path { $0["data_directory"] = nil } == "data_directory")
    #expect(path { $0["admin"] = .scalar("x") } == "admin")
    #expect(path { $0["admin"] = Self.mapping(["listen": .scalar("nowhere")]) } == "admin.listen")
    #expect(path { $0["log_level"] = .scalar("loud") } == "log_level")
    #expect(path { $0["control_link"] = Self.mapping(["lisen": .scalar("x")]) } == "control_link.lisen")
    let noNames: [String: SettingsTree] = [
      "listen": .scalar("127.0.0.1:1"), "enrolment_listen": .scalar("127.0.0.1:2"),
      "server_names": .sequence([.scalar("ok"), .scalar("https://x")]),
    ]
    #expect(path { $0["control_link"] = Self.mapping(noNames) } == "control_link.server_names[1]")
  }

  @Test("a bad database URL does not repeat its password")
  func password() {
    let tree = Self.tree { $0["database_url"] = .scalar("postgresql://strait:hunter2@[::1/strait") }
    let fault = #expect(throws: SettingsFault.self) { try ControlPlaneSettings(tree) }
    #expect(fault?.path == "database_url")
    #expect(fault?.description.contains("hunter2") == false)
  }
}
