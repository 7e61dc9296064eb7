import EdgeUplink
import StraitProtocol
import Testing

@Suite("What an answer to a batch means")
struct ShipmentTests {
  // Batch 101…200; 100 were committed before; this process has sent up to 300.
  private let present = Shipment(batch: 101...200, watermark: 100, highestSent: 300, formerEnd: nil)
  // The same in an epoch of a former process that wrote up to 500.
  private let former = Shipment(batch: 101...200, watermark: 100, highestSent: 200, formerEnd: 500)

  @Test(
    "in the present epoch",
    arguments: [
      (200, .advance(200)), (250, .advance(250)), (300, .advance(300)), (301, .disbelieve),
      (199, .sendAgain(behind: 199)), (100, .sendAgain(behind: 100)), (99, .goBack(behind: 99)),
      (0, .goBack(behind: 0)),
    ] as [(UInt64, Shipment.Verdict)])
  func present(committed: UInt64, verdict: Shipment.Verdict) {
    #expect(present.judge(committed: committed) == verdict)
  }

  @Test(
    "in a former epoch, of which more was shipped than this process knows",
    arguments: [
      (200, .advance(200)), (500, .advance(500)), (501, .advance(200)), (150, .sendAgain(behind: 150)),
      (7, .goBack(behind: 7)),
    ] as [(UInt64, Shipment.Verdict)])
  func former(committed: UInt64, verdict: Shipment.Verdict) {
    #expect(former.judge(committed: committed) == verdict)
  }
}

@Suite("Receiving an update")
struct ConfigurationReceiverTests {
  @Test("starts over when the parts of two updates are mixed")
  func mixed() {
    var receiver = ConfigurationReceiver(state: ConfigurationState(), limits: UplinkLimits())
    var first = Updates.snapshot(version: 1)
    first.last = false
    #expect(receiver.receive(first, now: 0) == .wait)
    guard case .startOver = receiver.receive(Updates.snapshot(version: 2), now: 0) else {
      Issue.record("mixed parts were taken")
      return
    }
    // Control: what was half there is forgotten, and a whole one is taken.
    guard case .apply(let state) = receiver.receive(Updates.snapshot(version: 2), now: 0) else {
      Issue.record("a whole snapshot was not taken")
      return
    }
    #expect(state.version == 2)
  }

  @Test("starts over when an update is larger than its limits")
  func tooLarge() {
    var limits = UplinkLimits()
    limits.updateResources = 4
    var receiver = ConfigurationReceiver(state: ConfigurationState(), limits: limits)
    guard case .startOver = receiver.receive(Updates.snapshot(version: 1), now: 0) else {
      Issue.record("five resources were taken where four are the limit")
      return
    }
  }
}

@Suite("Backing off")
struct BackoffTests {
  @Test("doubles up to a maximum, each wait shortened by at most a half, and begins anew after success")
  func waits() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    var backoff = Backoff(firstMilliseconds: 100, maximumMilliseconds: 400)
    for whole in [100, 200, 400, 400] {
      let wait = backoff.wait(using: &generator)
      #expect(wait >= .milliseconds(whole / 2) && wait <= .milliseconds(whole), "seed \(seed)")
    }
    backoff.reset()
    #expect(backoff.wait(using: &generator) <= .milliseconds(100))
  }
}

@Suite("A signal")
struct SignalTests {
  @Test("raised before it is waited for is not lost, and a cancelled wait does not break it")
  func signal() async {
    let signal = Signal()
    signal.raise()
    signal.raise()
    await signal.wait()
    let waiting = Task { await signal.wait() }
    waiting.cancel()
    await waiting.value
    signal.raise()
    await signal.wait()
  }
}
