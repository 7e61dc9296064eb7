// Owns a `PGresult` and reads it.

import CLibpq

struct LibpqResult: ~Copyable {
  enum Status {
    case rows
    case oneRow
    case done
    case copyIn
    case copyOut
    case failed
  }

  private let result: OpaquePointer

  init(_ result: OpaquePointer) { self.result = result }

  deinit { PQclear(result) }

  var status: Status {
    switch PQresultStatus(result) {
    case PGRES_SINGLE_TUPLE: .oneRow
    case PGRES_TUPLES_OK: .rows
    case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: .done
    case PGRES_COPY_IN: .copyIn
    case PGRES_COPY_OUT: .copyOut
    default: .failed
    }
  }

  var columns: [RowStorage.Column] {
    (0..<PQnfields(result)).map { index in
      RowStorage.Column(
        name: String(cString: PQfname(result, index)), type: PostgresType(oid: PQftype(result, index)))
    }
  }

  var rowCount: Int { Int(PQntuples(result)) }

  /// The count in the command tag ("INSERT 0 3"), 0 where it has none.
  var affectedCount: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }

  /// "COMMIT", "ROLLBACK", "INSERT 0 3" and the like.
  var commandTag: String { String(cString: PQcmdStatus(result)) }

  var isBinaryCopy: Bool { PQbinaryTuples(result) == 1 }

  /// Appends all cells of all rows.
  func copyCells(bytes: inout [UInt8], extents: inout [RowStorage.Extent]) {
    let columnCount = PQnfields(result)
    for row in 0..<PQntuples(result) {
      for column in 0..<columnCount {
        guard PQgetisnull(result, row, column) == 0, let value = PQgetvalue(result, row, column) else {
          extents.append(RowStorage.Extent(offset: bytes.count, length: -1))
          continue
        }
        let length = PQgetlength(result, row, column)
        extents.append(RowStorage.Extent(offset: bytes.count, length: length))
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: value, count: Int(length)))
      }
    }
  }

  // MARK: Errors

  // The codes of PQresultErrorField are characters (postgres_ext.h).
  var sqlState: String? { field("C") }
  var primaryMessage: String? { field("M") }
  var constraintName: String? { field("n") }
  var tableName: String? { field("t") }
  var columnName: String? { field("c") }

  private func field(_ code: Unicode.Scalar) -> String? {
    PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
  }
}
