import EdgeDataPath
import Testing

@Suite struct ServerNamesTests {
  private func names(_ certificates: [[String]]) -> ServerNames {
    var names = ServerNames()
    for (index, list) in certificates.enumerated() {
      for name in list { names.add(name, certificate: index) }
    }
    return names
  }

  @Test func anExactNameGoesBeforeAWildcard() {
    let names = names([["default.example"], ["*.example.com"], ["API.example.com"]])
    #expect(names.certificate(for: "api.example.com") == 2)
    #expect(names.certificate(for: "Other.Example.COM") == 1)
    #expect(names.certificate(for: "default.example") == 0)
    #expect(names.certificate(for: "default.example.") == 0)
  }

  @Test func aWildcardStandsForOneLabel() {
    let names = names([["*.example.com"]])
    #expect(names.certificate(for: "example.com") == nil)
    #expect(names.certificate(for: "a.b.example.com") == nil)
    #expect(names.certificate(for: ".example.com") == nil)
    #expect(names.certificate(for: "") == nil)
  }

  @Test func theFirstCertificateWithANameHasIt() {
    let names = names([["a.example"], ["a.example", "*.example"]])
    #expect(names.certificate(for: "a.example") == 0)
    #expect(names.certificate(for: "b.example") == 1)
  }
}

@Suite struct TicketDaysTests {
  @Test func theDaysBesideTodayAreAccepted() {
    // 1970-01-11 begins 864,000 s after the epoch.
    #expect(TicketDays.accepted(nowSeconds: 864_000) == [10, 9, 11])
    #expect(TicketDays.accepted(nowSeconds: 863_999) == [9, 8, 10])
  }
}
