import EdgeUplink
import StraitProtocol
import Testing

@Suite("The replicas of a control plane")
struct ReplicasTests {
  private let texts = ["a.test:1", "b.test:1", "c.test:1"]

  private func replicas() throws -> Replicas { Replicas(try texts.map(LinkAddress.init), first: 0) }

  @Test("come one after the other, and the first again after the last")
  func turns() throws {
    let replicas = try replicas()
    for text in texts + texts {
      let address = replicas.current
      #expect(address.description == text)
      replicas.leave(address)
    }
  }

  @Test("are left once, however many found out that one is gone")
  func once() throws {
    let replicas = try replicas()
    let gone = replicas.current
    for _ in 0..<3 { replicas.leave(gone) }
    #expect(replicas.current.description == "b.test:1")
  }

  @Test("may be a single one, whose turn it always is")
  func single() throws {
    let replicas = try Replicas(texts: ["[::1]:1"])
    replicas.leave(replicas.current)
    #expect(replicas.current.description == "[::1]:1")
  }

  @Test("are one for each address; a malformed one is refused")
  func malformed() {
    #expect(throws: UplinkError.malformedAddress("b.test")) { try Replicas(texts: ["a.test:1", "b.test"]) }
  }

  @Test("are served by the next one when the first is not there")
  func next() async throws {
    let plane = try FakeControlPlane()
    try await plane.serve { link, enrolment in
      // Nothing listens on port 1.
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder()) {
        $0.controlPlaneAddresses.insert("127.0.0.1:1", at: 0)
        $0.enrolmentAddresses.insert("127.0.0.1:1", at: 0)
      }
      try await edge.run { _ = try await plane.nextHello() }
    }
  }

  @Test("are given up within 15 seconds of silence")
  func deadline() {
    let limits = UplinkLimits()
    #expect(limits.keepaliveSeconds + limits.keepaliveTimeoutSeconds <= 15)
    #expect(limits.connectSeconds <= 15 && limits.dialSeconds <= 5)
  }
}
