import EdgeDataPath
import StraitProtocol
import Testing

@Suite("The table of revocations")
struct RevocationTableTests {
  private func key(_ number: UInt64) -> KeyID { KeyID(high: number << 16 | 0x7000, low: number | 1 << 63) }
  private func team(_ number: UInt64) -> TeamID { TeamID(high: number << 16 | 0x7000, low: number | 1 << 63) }

  @Test("refuses nobody while it is empty")
  func empty() {
    #expect(!RevocationTable.empty.refuses(key: key(1), of: team(2)))
  }

  @Test("refuses the keys and teams that it holds, and no others")
  func members() {
    // Even numbers are revoked, as keys up to 20,000 and as teams up to 2,000.
    let subjects =
      (1...10_000).map { RevocationSubject.key(key($0 * 2)) } + (1...1000).map { .team(team($0 * 2)) }
    let table = RevocationTable(subjects)
    #expect(table.count == 11_000)
    for number in UInt64(1)...20_000 {
      #expect(table.refuses(key: key(number), of: team(1)) == number.isMultiple(of: 2))
    }
    for number in UInt64(1)...2000 {
      #expect(table.refuses(key: key(1), of: team(number)) == number.isMultiple(of: 2))
    }
  }

  @Test("does not take a key's id for a team's")
  func kinds() {
    let table = RevocationTable([.key(key(7))])
    #expect(table.refuses(key: key(7), of: team(8)))
    #expect(!table.refuses(key: key(8), of: team(7)))
  }
}
