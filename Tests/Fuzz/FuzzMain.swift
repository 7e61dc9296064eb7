// What libFuzzer calls. One program holds every target; the environment says which one runs.

import Glibc

/// A target takes what the fuzzer made up, and ends the process where the edge breaks a rule.
private let targets: [String: @Sendable (FuzzInput) -> Void] = [
  "heads": HeadTarget.run,
  "bodies": BodyTarget.run,
  "json": JSONTarget.run,
  "requests": RequestTarget.run,
  "events": EventTarget.run,
  "answers": AnswerTarget.run,
  "forwarding": ForwardingTarget.run,
  "frames": FramesTarget.run,
]

private let target: @Sendable (FuzzInput) -> Void = {
  let name = getenv("STRAIT_FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let target = targets[name] else {
    complain("STRAIT_FUZZ_TARGET is one of: \(targets.keys.sorted().joined(separator: " "))")
    exit(2)
  }
  return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let all = UnsafeRawBufferPointer(start: start, count: count)
  guard let first = all.first else { return 0 }
  target(FuzzInput(option: first, bytes: Array(all.dropFirst())))
  Piece.removeAll()
  return 0
}

/// A rule of a target. The process ends where it is broken, and libFuzzer keeps the input.
func expect(_ holds: @autoclosure () -> Bool, _ rule: @autoclosure () -> String) {
  if holds() { return }
  complain("broken rule: \(rule())")
  abort()
}

private func complain(_ words: String) {
  var line = words + "\n"
  line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

func expectEqual<Value: Equatable>(_ left: Value, _ right: Value, _ rule: @autoclosure () -> String) {
  expect(left == right, "\(rule())\n  one:   \(left)\n  other: \(right)")
}

/// A fault that a target has only when it is asked for, to show that the fuzzer finds what it should. Each needs an input
/// that no seed has.
let hasPlantedFault = getenv("STRAIT_FUZZ_PLANTED_FAULT") != nil
