import OperatorCommand
import Testing

@Suite("A table")
struct TableTests {
  private struct Row {
    let name: String
    let count: Int
    let note: String
  }

  private func table(_ rows: [Row]) -> Table {
    Table(rows, [.text("NAME", \.name), .number("COUNT") { String($0.count) }, .text("NOTE", \.note)])
  }

  @Test("lines its columns up, numbers to the right, with no blanks at the ends of lines")
  func aligned() {
    let text = table([Row(name: "a", count: 7, note: "x"), Row(name: "longer", count: 12345, note: "")])
      .rendered(width: nil)
    #expect(text == "NAME    COUNT  NOTE\na           7  x\nlonger  12345  -\n")
  }

  @Test("becomes blocks where the terminal is too narrow, and only there")
  func narrow() {
    let rows = [Row(name: "a", count: 7, note: "x"), Row(name: "b", count: 8, note: "y")]
    // NAME, COUNT and NOTE with two gaps of two are 17 columns.
    #expect(table(rows).rendered(width: 17) == "NAME  COUNT  NOTE\na         7  x\nb         8  y\n")
    #expect(
      table(rows).rendered(width: 16) == "NAME   a\nCOUNT  7\nNOTE   x\n\nNAME   b\nCOUNT  8\nNOTE   y\n")
  }

  @Test("counts wide characters as two columns")
  func wide() {
    let text = table([Row(name: "東京", count: 1, note: "x"), Row(name: "é", count: 2, note: "y")]).rendered(
      width: nil)
    #expect(text == "NAME  COUNT  NOTE\n東京      1  x\né         2  y\n")
  }

  @Test("shows no control character, which could move the cursor or hide a line")
  func hostile() {
    let text = table([Row(name: "a\u{1B}[2J\n", count: 1, note: "\u{202E}x")]).rendered(width: nil)
    #expect(text.unicodeScalars.filter { $0.value < 0x20 || $0.value == 0x202E } == ["\n", "\n"])
  }
}
