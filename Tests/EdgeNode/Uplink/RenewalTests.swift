import Crypto
import EdgeUplink
import Foundation
import Glibc
import StraitProtocol
import Testing
import X509

@Suite("An edge's certificate", .timeLimit(.minutes(5)))
struct RenewalTests {
  @Test("is renewed in time with a fresh key, and the snapshot sealed before can still be read")
  func renewed() async throws {
    let plane = try FakeControlPlane()
    plane.set {
      $0.greeting = [Updates.snapshot(version: 5)]
      $0.givesOldCertificates = true
    }
    try await plane.serve { link, enrolment in
      let folder = try ScratchFolder()
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      let first = try await edge.uplink.ensureIdentity()
      let firstKey = try readFile("\(folder.path)/data/identity.key")
      try await edge.run {
        #expect(try await plane.nextAcknowledgement() == 5)
        try await eventually {
          (edge.uplink.identity?.certificateExpires ?? .distantPast) > first.certificateExpires
        }
        #expect(edge.uplink.identity?.edge == first.edge)
      }
      #expect(try readFile("\(folder.path)/data/identity.key") != firstKey)
      #expect(!folder.files("data").contains { $0.hasSuffix(".next") })
      let again = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder, token: nil)
      let kept = try again.uplink.loadLastGood()
      #expect(kept?.version == 5)
      // The new certificate opens the link.
      let againVersion = try await again.run { try await plane.nextHello().version }
      #expect(againVersion == 5)
    }
  }

  @Test("is asked for with the same key when the answer was lost")
  func lostAnswer() async throws {
    let plane = try FakeControlPlane()
    plane.set {
      $0.givesOldCertificates = true
      $0.losesRenewals = true
    }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        let key = try await plane.nextRenewal()
        #expect(try await plane.nextRenewal() == key)
        plane.set { $0.losesRenewals = false }
        try await eventually {
          (edge.uplink.identity?.certificateExpires.timeIntervalSinceNow ?? 0) > 3600
        }
      }
    }
  }

  @Test("is whole wherever a stop interrupts its renewal", arguments: [0, 1, 2])
  func interrupted(at point: Int) async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.givesOldCertificates = true }
    try await plane.serve { link, enrolment in
      let folder = try ScratchFolder()
      let data = "\(folder.path)/data"
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      let former = try await edge.uplink.ensureIdentity()
      let old = (key: try readFile("\(data)/identity.key"), chain: try readFile("\(data)/identity.pem"))
      try await edge.run {
        try await eventually { edge.uplink.identity != former }
      }
      let new = (key: try readFile("\(data)/identity.key"), chain: try readFile("\(data)/identity.pem"))
      // As the disk is before the answer, before the key is in place, and before its certificate is.
      try writeFile("\(data)/identity.key", point == 2 ? new.key : old.key)
      try writeFile("\(data)/identity.pem", old.chain)
      if point < 2 { try writeFile("\(data)/identity.key.next", new.key) }
      if point > 0 { try writeFile("\(data)/identity.pem.next", new.chain) }
      let again = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder, token: nil)
      defer { again.spool.close() }
      let identity = try await again.uplink.ensureIdentity()
      #expect(identity.edge == former.edge)
      #expect(try readFile("\(data)/identity.key") == (point == 0 ? old.key : new.key))
      #expect(try readFile("\(data)/identity.pem") == (point == 0 ? old.chain : new.chain))
    }
  }

  @Test("that ended while the edge was away is replaced by a new token, and the edge stays who it was")
  func endedWhileAway() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let folder = try ScratchFolder()
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      let former = try await edge.uplink.ensureIdentity()
      let edgeVersion = try await edge.run { try await plane.nextAcknowledgement() }
      #expect(edgeVersion == 5)
      try plane.letEnd(folder)
      plane.set {
        $0.token = "second-token"
      }
      let back = try EdgeUnderTest(
        plane, link: link, enrolment: enrolment, folder: folder, token: "second-token")
      // It serves on what it has before anybody answers.
      #expect(try await back.uplink.ensureIdentity().edge == former.edge)
      let kept = try back.uplink.loadLastGood()
      #expect(kept?.version == 5)
      try await back.run {
        let request = try await plane.next { if case .enrolled(let request) = $0 { request } else { nil } }
        #expect(request.joinToken == "second-token")
        let signing = try CertificateSigningRequest(derEncoded: Array(request.certificateRequestDer))
        let text = String(decoding: try readFile("\(folder.path)/data/identity.key"), as: UTF8.self)
        let key = try P256.Signing.PrivateKey(pemRepresentation: text)
        #expect(signing.publicKey == Certificate.PrivateKey(key).publicKey)
        #expect(try await plane.nextHello().version == 5)
      }
      #expect(back.uplink.identity?.edge == former.edge)
    }
  }

  @Test("that ended is no reason to stop, and neither is a token that is refused")
  func servesOn() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let folder = try ScratchFolder()
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      let former = try await edge.uplink.ensureIdentity()
      let edgeVersion = try await edge.run { try await plane.nextAcknowledgement() }
      #expect(edgeVersion == 5)
      try plane.letEnd(folder)
      let back = try EdgeUnderTest(
        plane, link: link, enrolment: enrolment, folder: folder, token: "used before")
      let kept = try back.uplink.loadLastGood()
      #expect(kept?.version == 5)
      try await back.run {
        let request = try await plane.next { if case .enrolled(let request) = $0 { request } else { nil } }
        #expect(request.joinToken == "used before")
      }
      #expect(back.uplink.identity?.edge == former.edge)
      #expect((back.uplink.identity?.certificateExpires ?? .distantFuture) < Date())
    }
  }
}

@Suite("An edge that was evicted", .timeLimit(.minutes(5)))
struct EvictedTests {
  @Test("stops, forgets its credentials, and does not serve again after a restart")
  func stops() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let folder = try ScratchFolder()
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        #expect(try await plane.nextAcknowledgement() == 5)
        try await eventually { folder.files("data").contains("configuration.snapshot") }
      }
      plane.set { $0.hasEvicted = true }
      let evicted = UplinkError.evicted(folder: "\(folder.path)/data")
      let again = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      await #expect(throws: evicted) { try await again.uplink.run() }
      again.spool.close()
      #expect(!folder.files("data").contains("configuration.snapshot"))
      let restarted = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder, token: nil)
      defer { restarted.spool.close() }
      await #expect(throws: evicted) { try await restarted.uplink.ensureIdentity() }
      #expect(throws: evicted) { try restarted.uplink.loadLastGood() }
    }
  }

  @Test("becomes a new edge with a new token and a new key")
  func comesBack() async throws {
    let plane = try FakeControlPlane()
    try await plane.serve { link, enrolment in
      let folder = try ScratchFolder()
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      _ = try await edge.uplink.ensureIdentity()
      let key = try readFile("\(folder.path)/data/identity.key")
      plane.set { $0.hasEvicted = true }
      await #expect(throws: UplinkError.self) { try await edge.uplink.run() }
      edge.spool.close()
      plane.set { $0.hasEvicted = false }
      let again = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      defer { again.spool.close() }
      _ = try await again.uplink.ensureIdentity()
      #expect(try readFile("\(folder.path)/data/identity.key") != key)
    }
  }
}

extension FakeControlPlane {
  /// As if the edge had been away for long: its certificate has ended.
  fileprivate func letEnd(_ folder: ScratchFolder) throws {
    let text = String(decoding: try readFile("\(folder.path)/data/identity.key"), as: UTF8.self)
    let key = Certificate.PrivateKey(try P256.Signing.PrivateKey(pemRepresentation: text))
    let ended = try authority.issue(to: key.publicKey, isServer: false, seconds: -60, age: 9000)
    try writeFile(
      "\(folder.path)/data/identity.pem", Array((try ended.serializeAsPEM().pemString + "\n").utf8))
  }
}

extension ScratchFolder {
  func files(_ name: String) -> [String] { listing("\(path)/\(name)") }
}

/// Waits for something that is bound to happen; the suite's limit ends it otherwise.
func eventually(_ condition: () throws -> Bool) async throws {
  while !(try condition()) { try await Task.sleep(for: .milliseconds(10)) }
}
