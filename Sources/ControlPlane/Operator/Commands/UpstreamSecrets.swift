// What a command takes of an upstream from files: its credential, and the CA to trust there.

import ArgumentParser
import Foundation

struct UpstreamSecrets: ParsableArguments {
  @Option(help: "A file with the credential, closed to other users.")
  var credentialFile: String?

  @Flag(help: "Read the credential from standard input.")
  var credentialStdin = false

  @Option(help: "A file with the CA to trust there, in PEM form, instead of the system's.")
  var caFile: String?

  /// Only there to be refused with the reason.
  @Option(help: .hidden)
  var credential: String?

  var isCredentialGiven: Bool { credentialFile != nil || credentialStdin }

  func validate() throws {
    if credential != nil {
      throw ValidationError(
        "a credential in an argument can be read in the list of processes and in the shell's history; "
          + "use --credential-file or --credential-stdin, and replace this one")
    }
    if credentialFile != nil && credentialStdin {
      throw ValidationError("give --credential-file or --credential-stdin, not both")
    }
  }

  func readCredential() throws(OperatorFault) -> Secret? {
    if let credentialFile { return try Secret.read(file: credentialFile, what: "credential") }
    return credentialStdin ? try Secret.readStandardInput(what: "credential") : nil
  }

  /// - Returns: the CA's certificates as text; nothing where no file is given
  func readAuthority() throws(OperatorFault) -> String? {
    guard let path = caFile else { return nil }
    let next = "give a file of certificates in PEM form"
    let text: String
    do {
      text = try String(contentsOfFile: path, encoding: .utf8)
    } catch {
      throw OperatorFault("could not read the CA file \(path)", next: next)
    }
    guard text.contains("-----BEGIN CERTIFICATE-----") else {
      throw OperatorFault("the CA file \(path) holds no certificate", next: next)
    }
    guard !text.contains("PRIVATE KEY-----") else {
      throw OperatorFault(
        "the CA file \(path) holds a private key, which must not be sent anywhere",
        next: "give a file with the certificates alone")
    }
    return text
  }
}
