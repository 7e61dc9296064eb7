import ControlPlaneCore
import Testing

@Suite("A silent edge")
struct KeepaliveTests {
  @Test("is given up within 15 seconds")
  func deadline() {
    #expect(LinkServer.keepaliveSeconds + LinkServer.keepaliveTimeoutSeconds <= 15)
  }
}
