import ControlPlaneCore
import StraitProtocol
import Testing

@Suite("Upstream addresses")
struct UpstreamAddressTests {
  @Test("a URL is taken apart into origin and prefix")
  func parts() throws {
    let plain = try UpstreamAddress("https://API.OpenAI.com/")
    #expect(plain.origin == "https://api.openai.com")
    #expect(plain.pathPrefix == "")
    let full = try UpstreamAddress("http://127.0.0.1:8080/anthropic/")
    #expect(full.origin == "http://127.0.0.1:8080")
    #expect(full.pathPrefix == "/anthropic")
    #expect(try UpstreamAddress("https://[::1]:9/a/b").url == "https://[::1]:9/a/b")
  }

  @Test(
    "anything else is refused",
    arguments: [
      "", "api.openai.com", "ftp://a", "https://", "https://a:0", "https://a:65536", "https://a:b",
      "https://a b",
      "https://user:secret@a", "https://a?x=1", "https://a#f", "https://a/..", "https://a//b",
      "https://a/%2e",
      "https://[::1", "https://-a", "https://a/v1", "https://a\\b", "https://exämple.com",
    ])
  func refused(_ text: String) {
    let refusal = #expect(throws: Refusal.self) { try UpstreamAddress(text) }
    #expect(refusal?.hint != nil)
  }

  @Test("an address in it must be one that the upstream's network can have")
  func networks() throws {
    func refusal(_ url: String, _ network: UpstreamNetwork) -> Refusal? {
      do {
        try UpstreamAddress(url).check(for: network)
        return nil
      } catch {
        return error
      }
    }
    for url in [
      "http://127.0.0.1:9", "http://[::1]", "https://10.0.0.1", "http://localhost", "http://a.localhost:8",
    ] {
      #expect(refusal(url, .public)?.hint?.contains("--network private") == true, "\(url)")
      #expect(refusal(url, .private) == nil, "\(url)")
    }
    for url in [
      "http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://0.0.0.0", "http://[ff02::1]",
    ] {
      for network in UpstreamNetwork.allCases {
        #expect(
          refusal(url, network) != nil && refusal(url, network)?.hint?.contains("--network") == false,
          "\(url)")
      }
    }
    // What a name leads to is not known here.
    for url in ["https://8.8.8.8", "https://api.openai.com", "https://[2606:4700::1111]", "http://127.1"] {
      #expect(refusal(url, .public) == nil, "\(url)")
    }
  }

  @Test("a secret in the URL is not repeated")
  func secret() {
    let refusal = #expect(throws: Refusal.self) { try UpstreamAddress("https://user:hunter2@example.com") }
    #expect(refusal?.description.contains("hunter2") == false)
  }
}
