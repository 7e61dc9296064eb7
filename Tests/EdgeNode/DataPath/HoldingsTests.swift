import EdgeDataPath
import Testing

@Suite struct HoldingsTests {
  private let client = address("192.0.2.1")
  private let other = address("192.0.2.2")

  private func holdings(workers: Int = 1) -> Holdings {
    Holdings(workers: workers, share: Holding(requestBytes: 100, answerBytes: 50))
  }

  private func isHoarder(_ holdings: Holdings, _ address: ClientAddress) -> Bool {
    holdings.isHoarder(address, beside: Holding())
  }

  @Test func whoHoldsMoreThanItsShareIsAHoarder() {
    let holdings = holdings()
    #expect(!isHoarder(holdings, client), "nothing is known of it")
    holdings.tell([client: Holding(requestBytes: 100, answerBytes: 50)], worker: 0)
    #expect(!isHoarder(holdings, client), "that is its share")
    holdings.tell([client: Holding(requestBytes: 101)], worker: 0)
    #expect(isHoarder(holdings, client))
    holdings.tell([client: Holding(answerBytes: 51)], worker: 0)
    #expect(isHoarder(holdings, client))
    #expect(!isHoarder(holdings, other), "another address is not to blame")
  }

  @Test func whatAllWorkersHoldCounts() {
    let holdings = holdings(workers: 3)
    // 40 + 40 + 30 are 110.
    holdings.tell([client: Holding(requestBytes: 40), other: Holding(requestBytes: 90)], worker: 0)
    holdings.tell([client: Holding(requestBytes: 40)], worker: 1)
    #expect(!isHoarder(holdings, client))
    holdings.tell([client: Holding(requestBytes: 30)], worker: 2)
    #expect(isHoarder(holdings, client))
    holdings.tell([:], worker: 1)
    #expect(!isHoarder(holdings, client), "what a worker says takes the place of what it said before")
  }

  @Test func oneLargeExchangeAfterTheOtherIsNoHoard() {
    var account = HoldingAccount()
    account.add(Holding(requestBytes: 1000, answerBytes: 2))
    #expect(account.besideLargest == Holding())
    account.add(Holding(requestBytes: 30, answerBytes: 500))
    account.add(Holding(requestBytes: 40))
    // 1,070 without 1,000, and 502 without 500.
    #expect(account.besideLargest == Holding(requestBytes: 70, answerBytes: 2))
  }

  @Test func whatIsRefusedIsNoPartOfTheHoard() {
    let holdings = holdings()
    holdings.tell([client: Holding(requestBytes: 180)], worker: 0)
    #expect(!holdings.isHoarder(client, beside: Holding(requestBytes: 80)))
    #expect(holdings.isHoarder(client, beside: Holding(requestBytes: 79)), "beside it there are 101")
  }
}
