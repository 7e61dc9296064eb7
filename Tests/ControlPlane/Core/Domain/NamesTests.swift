import ControlPlaneCore
import Testing

@Suite("Names")
struct NamesTests {
  @Test(
    "a resource's name is lower-case letters, digits and dashes", arguments: ["a", "us-east", "team-7", "0"])
  func accepted(_ name: String) throws {
    #expect(try ResourceName(name, of: "team").text == name)
  }

  @Test(
    "other names are refused with what to do",
    arguments: ["", "-a", "a-", "A", "a b", "a_b", "ä", "a\n", String(repeating: "a", count: 64)])
  func refused(_ name: String) {
    let refusal = #expect(throws: Refusal.self) { try ResourceName(name, of: "team") }
    #expect(refusal?.kind == .invalid)
    #expect(refusal?.hint?.contains("lower-case") == true)
  }

  @Test(
    "a model's name may hold what providers use",
    arguments: ["gpt-5", "meta-llama/Llama-4:free", "a.b_c@1+2"])
  func models(_ name: String) throws {
    #expect(try ModelName(name).text == name)
  }

  @Test(
    "a model's name holds no spaces, quotes, controls or other scripts",
    arguments: ["", "a b", "a\"", "a\r\nb", "å"])
  func badModels(_ name: String) {
    #expect(throws: Refusal.self) { try ModelName(name) }
  }
}
