import ArgumentParser
import OperatorCommand
import Testing

/// The status that the command would end with before it does anything, 0 where the arguments are right.
private func status(_ arguments: String) -> (code: Int32, message: String) {
  do {
    _ = try Strait.parseAsRoot(arguments.split(separator: " ").map(String.init))
    return (0, "")
  } catch {
    return (Strait.exitCode(for: error).rawValue, Strait.fullMessage(for: error))
  }
}

@Suite("The command line")
struct CommandLineTests {
  @Test(
    "accepts every noun and verb",
    arguments: [
      "region apply regions/", "region apply a.yaml b.yaml --json", "region list --profile dev",
      "edge list --json", "edge invite --region eu-west --valid-for 1h",
      "upstream add a --region r --url https://x --http-version http2 --credential-style api-key --credential-file f",
      "upstream add a --region r --url https://x --credential-stdin --ca-file ca.pem", "upstream list",
      "offer add m --upstream u --dialect openai --input-price 0.15 --output-price 0 --weight 3",
      "offer add m --upstream u --dialect anthropic --input-price 3 --output-price 15 --cached-input-price 0.3"
        + " --cache-write-price 3.75 --upstream-model n",
      "upstream update a --credential-file f", "upstream update a --url https://x --no-private --system-ca",
      "offer update m --weight 3", "offer update m --input-price 0.2 --upstream-model n", "offer remove m",
      "offer list", "team create t --account a", "team create t --staleness-limit 15m",
      "team update t --staleness-limit never", "team list",
      "version confirm 9", "version rollback 8 --confirm 12",
      "key create --team t --name n --valid-for 30d --json",
      "key list --team t", "key revoke 019a",
      "usage list --team t --key k --since 2h --until 2030-01-01 --limit 9",
      "usage list --request 019a", "doctor --json",
      "profile set p --admin-url https://x --token-file t --ca-file c",
      "profile list --json", "profile use p",
    ])
  func accepted(arguments: String) {
    #expect(status(arguments).code == 0)
  }

  @Test(
    "ends with 64 for wrong usage, and says what is wrong",
    arguments: [
      ("nonsense", "nonsense"), ("region apply", "paths"), ("edge invite", "--region"),
      ("edge invite --region r --valid-for 1y", "write a number and w, d, h, m or s"),
      ("upstream add a --region r --url https://x --http-version http3", "http1"),
      ("upstream add a --region r --url https://x --credential-style bearer", "needs --credential-file"),
      ("upstream add a --region r --url u --credential-style none --credential-stdin", "takes no credential"),
      ("upstream add a --region r --url u --credential-stdin --credential-file f", "not both"),
      ("upstream add a --region r --url https://x --credential canary", "list of processes"),
      ("offer add m --upstream u --dialect openai --input-price 0.0000001 --output-price 1", "finer"),
      ("offer add m --upstream u --dialect openai --input-price 0,15 --output-price 1", "for example 0.15"),
      ("offer add m --upstream u --dialect cohere --input-price 1 --output-price 1", "anthropic"),
      ("key revoke sk-strait-canary", "the shell's history"),
      ("usage list --since 1h --until 2h", "--since must be before --until"),
      ("upstream update a", "say what is to change"), ("offer update m", "say what is to change"),
      ("upstream update a --credential-style none --credential-file f", "takes no credential"),
      ("upstream update a --credential sk", "can be read in the list of processes"),
      ("usage list --limit 0", "--limit"), ("usage list --since soon", "write a time like"),
      ("profile set p --token canary", "list of processes"), ("profile set ../p", "letters, digits"),
    ])
  func refused(arguments: String, words: String) {
    let (code, message) = status(arguments)
    #expect(code == 64)
    #expect(message.contains(words))
    #expect(!message.contains("canary"))
  }
}
