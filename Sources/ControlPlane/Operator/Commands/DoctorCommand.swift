import ArgumentParser

struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Look at everything in order and say what to do next.",
    discussion:
      "Exit status 1 when anything failed. Warnings are about what is not set up yet or wants looking at.")

  @OptionGroup var global: GlobalOptions

  func run() async throws {
    let findings = Findings()
    let examination = Examination { finding in
      findings.all.append(finding)
      if !global.json { try Output.write(finding.text) }
    }
    let isWell = try await examination.run { () throws(OperatorFault) in try global.settings() }
    if global.json { try Output.json(findings.all) }
    if !isWell { throw ExitCode.failure }
  }

  /// Gathers what the examination reports; both run in one task.
  private final class Findings {
    var all: [Finding] = []
  }
}
