// Rows laid out for people. Pure: gives text, writes nothing.

/// One column: its heading, its side, and what a row shows in it.
package struct TableColumn<Row> {
  let title: String
  let alignsRight: Bool
  let value: (Row) -> String

  package static func text(_ title: String, _ value: @escaping (Row) -> String) -> Self {
    Self(title: title, alignsRight: false, value: value)
  }

  package static func number(_ title: String, _ value: @escaping (Row) -> String) -> Self {
    Self(title: title, alignsRight: true, value: value)
  }
}

package struct Table {
  private let titles: [String]
  private let alignsRight: [Bool]
  private let cells: [[String]]
  private let widths: [Int]

  package init<Row>(_ rows: [Row], _ columns: [TableColumn<Row>]) {
    titles = columns.map(\.title)
    alignsRight = columns.map(\.alignsRight)
    cells = rows.map { row in
      columns.map { column in
        let text = printable(column.value(row))
        return text.isEmpty ? "-" : text
      }
    }
    var widths = titles.map(displayWidth)
    for row in cells {
      for (index, cell) in row.enumerated() { widths[index] = max(widths[index], displayWidth(cell)) }
    }
    self.widths = widths
  }

  /// Nothing is ever cut off. Where a line would not fit, every row becomes a block of `title: value` lines, because a
  /// wrapped table cannot be read.
  /// - Parameter width: the terminal's, in columns; nil when the output goes elsewhere
  package func rendered(width: Int?) -> String {
    let needed = widths.reduce(0, +) + gap * max(0, widths.count - 1)
    if let width, needed > width { return stacked() }
    return ([titles] + cells).map(line).joined()
  }

  /// Every row as a block of lines, a blank line between blocks.
  package func stacked() -> String {
    let longest = titles.map(displayWidth).max() ?? 0
    return cells.map { row in
      zip(titles, row).map { title, cell in "\(padded(title, to: longest, right: false))  \(cell)\n" }
        .joined()
    }.joined(separator: "\n")
  }

  private func line(_ row: [String]) -> String {
    var text = ""
    for (index, cell) in row.enumerated() {
      // The last column needs no padding: trailing blanks would wrap for nothing.
      let isLast = index == row.count - 1
      text +=
        isLast && !alignsRight[index] ? cell : padded(cell, to: widths[index], right: alignsRight[index])
      if !isLast { text += String(repeating: " ", count: gap) }
    }
    return text + "\n"
  }

  private var gap: Int { 2 }
}

private func padded(_ text: String, to width: Int, right: Bool) -> String {
  let blanks = String(repeating: " ", count: max(0, width - displayWidth(text)))
  return right ? blanks + text : text + blanks
}

/// Columns on a terminal: two for East Asian wide characters and emoji, one for the others.
private func displayWidth(_ text: String) -> Int {
  if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
  return text.reduce(0) { width, character in
    guard let scalar = character.unicodeScalars.first else { return width }
    return width + (isWide(scalar) ? 2 : 1)
  }
}

private func isWide(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
    0xFFE0...0xFFE6, 0x20000...0x3FFFD:
    true
  default: scalar.properties.isEmojiPresentation
  }
}
