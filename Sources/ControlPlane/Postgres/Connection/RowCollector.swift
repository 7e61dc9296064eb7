// Gathers the results of one statement, row by row, up to a limit.

struct RowCollector {
  private let maximumBytes: Int
  private let parameters: BoundParameters?
  private var columns: [RowStorage.Column]?
  private var extents: [RowStorage.Extent] = []
  private var bytes: [UInt8] = []
  private var rowCount = 0
  private(set) var affectedCount = 0
  private(set) var commandTag = ""
  /// The first thing that went wrong; later results of the statement say nothing more.
  private(set) var failure: PostgresError?

  init(maximumBytes: Int, parameters: BoundParameters?) {
    self.maximumBytes = maximumBytes
    self.parameters = parameters
  }

  /// - Returns: false when the result has just outgrown its limit and the statement should be cancelled
  mutating func add(_ result: consuming LibpqResult) -> Bool {
    guard failure == nil else { return true }
    switch result.status {
    case .oneRow, .rows: return addRows(result)
    case .done:
      affectedCount = result.affectedCount
      commandTag = result.commandTag
    case .failed: failure = PostgresError(result: result, parameters: parameters)
    case .copyIn, .copyOut: failure = PostgresError(.usage, "copy needs copyIn or withCopyOut")
    }
    return true
  }

  private mutating func addRows(_ result: borrowing LibpqResult) -> Bool {
    if columns == nil { columns = result.columns }
    rowCount += result.rowCount
    affectedCount = max(affectedCount, result.affectedCount)
    result.copyCells(bytes: &bytes, extents: &extents)
    let size = bytes.count + extents.count * MemoryLayout<RowStorage.Extent>.stride
    guard size > maximumBytes else { return true }
    failure = PostgresError(
      .resultTooLarge, "the result holds more than \(maximumBytes) bytes; read it in parts")
    return false
  }

  consuming func rows() -> PostgresRows {
    PostgresRows(
      storage: RowStorage(
        columns: columns ?? [], extents: extents, bytes: bytes, rowCount: rowCount,
        affectedCount: affectedCount))
  }
}
