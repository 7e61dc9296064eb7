import EdgeUplink
import Glibc
import StraitProtocol
import Testing

@Suite("An edge's identity", .timeLimit(.minutes(5)))
struct EnrolmentTests {
  @Test("comes from the join token, and is there at once after a restart without one")
  func enrol() async throws {
    let plane = try FakeControlPlane()
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      defer { edge.spool.close() }
      let identity = try await edge.uplink.ensureIdentity()
      #expect(identity.region == "eu-west")
      #expect(identity.edge.bytes == plane.edge)
      #expect(edge.uplink.identity == identity)
      let request = try await plane.next { if case .enrolled(let request) = $0 { request } else { nil } }
      #expect(request.baseURL == "https://edge.test")
      #expect(request.softwareVersion == "1.2.3")
      var status = stat()
      #expect(stat("\(folder.path)/data/identity.key", &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
    }
    // Nobody listens any more.
    let again = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil)
    defer { again.spool.close() }
    #expect(try await again.uplink.ensureIdentity().region == "eu-west")
  }

  @Test("is asked for until the control plane is there")
  func waits() async throws {
    let plane = try FakeControlPlane()
    let ports = try await plane.serve(enrolmentPort: FakeControlPlane.portToReturnTo()) { link, enrolment in
      [link, enrolment]
    }
    let edge = try EdgeUnderTest(plane, link: ports[0], enrolment: ports[1], folder: try ScratchFolder())
    defer { edge.spool.close() }
    // Nobody answers at that port until the other task serves there.
    let attempt = Task { try await edge.uplink.ensureIdentity() }
    let region = try await plane.serveEnrolment(port: ports[1]) { try await attempt.value.region }
    #expect(region == "eu-west")
  }

  @Test("is refused in clear words for a token that the control plane does not know")
  func refused() async throws {
    let plane = try FakeControlPlane()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(
        plane, link: link, enrolment: enrolment, folder: try ScratchFolder(), token: "used before")
      defer { edge.spool.close() }
      await #expect(throws: UplinkError.refusedEnrolment(reason: "the token has been used")) {
        try await edge.uplink.ensureIdentity()
      }
    }
  }

  @Test("is not asked for from a server that another authority vouches for")
  func otherAuthority() async throws {
    let plane = try FakeControlPlane()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(
        plane, link: link, enrolment: enrolment, folder: try ScratchFolder(), trusts: try TestAuthority())
      defer { edge.spool.close() }
      let attempt = Task { try await edge.uplink.ensureIdentity() }
      // Control: an edge with the right authority gets through while the other one tries.
      let right = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      defer { right.spool.close() }
      _ = try await right.uplink.ensureIdentity()
      attempt.cancel()
      await #expect(throws: (any Error).self) { try await attempt.value }
      #expect(edge.uplink.identity == nil)
    }
  }

  @Test("is not asked for from another edge that poses as the control plane")
  func impostor() async throws {
    let (plane, impostor) = (try FakeControlPlane(), try FakeControlPlane())
    let pose = EdgeName(edge: .none, region: "eu-west")
    try await impostor.serve(as: pose) { _, poses in
      try await plane.serve { link, enrolment in
        let edge = try EdgeUnderTest(
          impostor, link: link, enrolment: poses, folder: try ScratchFolder())
        defer { edge.spool.close() }
        let attempt = Task { try await edge.uplink.ensureIdentity() }
        // Control: with the names of this machine in its certificate an edge gets through while the other one tries.
        let right = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
        defer { right.spool.close() }
        _ = try await right.uplink.ensureIdentity()
        attempt.cancel()
        await #expect(throws: (any Error).self) { try await attempt.value }
        #expect(edge.uplink.identity == nil)
      }
    }
  }

  @Test("cannot be had without a token, and the error says so")
  func noToken() async throws {
    let edge = try EdgeUnderTest(
      try FakeControlPlane(), link: 1, enrolment: 1, folder: try ScratchFolder(), token: nil)
    defer { edge.spool.close() }
    await #expect(throws: UplinkError.noIdentity(folder: "\(edge.folder.path)/data")) {
      try await edge.uplink.ensureIdentity()
    }
  }

  @Test("is not replaced when it is damaged", arguments: ["identity.key", "identity.pem", "identity.json"])
  func damaged(file: String) async throws {
    let plane = try FakeControlPlane()
    try await plane.serve { link, enrolment in
      let folder = try ScratchFolder()
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      _ = try await edge.uplink.ensureIdentity()
      edge.spool.close()
      try writeFile("\(folder.path)/data/\(file)", Array("not what it was".utf8))
      let again = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      defer { again.spool.close() }
      await #expect(throws: UplinkError.self) { try await again.uplink.ensureIdentity() }
    }
  }

  @Test("takes addresses with a name, an IPv4 or a bracketed IPv6 address, and nothing else")
  func addresses() throws {
    #expect(try LinkAddress("control.example:8443").host == "control.example")
    #expect(try LinkAddress("[2001:db8::1]:8443").host == "2001:db8::1")
    #expect(try LinkAddress("127.0.0.1:1").port == 1)
    for wrong in ["", "host", "host:", ":1", "host:0", "host:65536", "2001:db8::1:8443", "host:x"] {
      #expect(throws: UplinkError.malformedAddress(wrong)) { try LinkAddress(wrong) }
    }
  }
}
