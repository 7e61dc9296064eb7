// A whole result, copied out of libpq into one flat buffer, and views of its rows.

/// The rows that a statement returned, or the number of rows that it changed.
package struct PostgresRows: Sendable, RandomAccessCollection {
  let storage: RowStorage

  package var startIndex: Int { 0 }
  package var endIndex: Int { storage.rowCount }
  package subscript(index: Int) -> PostgresRow {
    precondition(index >= 0 && index < endIndex, "row index out of range")
    return PostgresRow(storage: storage, index: index)
  }

  /// Rows inserted, updated, deleted, selected or copied, as the server's command tag counts them.
  package var affectedCount: Int { storage.affectedCount }
  package var columnNames: [String] { storage.columns.map(\.name) }

  /// The single row of a statement that must return exactly one.
  package func single() throws -> PostgresRow {
    guard count == 1, let row = first else {
      throw PostgresDecodingError(column: "*", reason: "\(count) rows came where one was wanted")
    }
    return row
  }
}

/// One row: cells by the column's name or its place, counted from 0.
package struct PostgresRow: Sendable {
  let storage: RowStorage
  let index: Int

  /// - Throws: `PostgresDecodingError` when there is no such column or its cell does not fit `Value`
  package func get<Value: PostgresDecodable>(_ column: String, as type: Value.Type = Value.self) throws
    -> Value
  {
    guard let place = storage.places[column] else {
      throw PostgresDecodingError(column: column, reason: "the result has no such column")
    }
    return try Value(cell: storage.cell(row: index, column: place))
  }

  package func get<Value: PostgresDecodable>(_ column: Int, as type: Value.Type = Value.self) throws -> Value
  {
    guard storage.columns.indices.contains(column) else {
      throw PostgresDecodingError(
        column: "#\(column)", reason: "the result has \(storage.columns.count) columns")
    }
    return try Value(cell: storage.cell(row: index, column: column))
  }
}

/// One cell in binary format.
package struct PostgresCell: Sendable {
  package let column: String
  package let type: PostgresType
  /// Nil is SQL's NULL.
  package let bytes: ArraySlice<UInt8>?

  package init(column: String, type: PostgresType, bytes: ArraySlice<UInt8>?) {
    self.column = column
    self.type = type
    self.bytes = bytes
  }
}

/// A cell was not what the code asked for. Names the column and the type, never the value.
package struct PostgresDecodingError: Error, CustomStringConvertible {
  package let column: String
  package let reason: String

  package var description: String { "cannot read column \(column) of a result: \(reason)" }
}

final class RowStorage: Sendable {
  struct Column: Sendable {
    var name: String
    var type: PostgresType
  }

  /// Where a cell lies in `bytes`; a negative length is NULL.
  struct Extent: Sendable, BitwiseCopyable {
    var offset: Int
    var length: Int32
  }

  let columns: [Column]
  let places: [String: Int]
  let extents: [Extent]
  let bytes: [UInt8]
  let rowCount: Int
  let affectedCount: Int

  init(columns: [Column], extents: [Extent], bytes: [UInt8], rowCount: Int, affectedCount: Int) {
    self.columns = columns
    // Of two columns of one name the first is found by it.
    places = Dictionary(columns.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    self.extents = extents
    self.bytes = bytes
    self.rowCount = rowCount
    self.affectedCount = affectedCount
  }

  func cell(row: Int, column: Int) -> PostgresCell {
    let extent = extents[row * columns.count + column]
    let end = extent.offset + max(0, Int(extent.length))
    return PostgresCell(
      column: columns[column].name, type: columns[column].type,
      bytes: extent.length < 0 ? nil : bytes[extent.offset..<end])
  }
}
