// The one place where errors become statuses of the control link.

import GRPCCore
import Logging
import Postgres
import StraitProtocol

enum LinkErrors {
  /// Runs a call's work, and turns what it throws into what the edge is told.
  static func mapped<Value>(_ logger: Logger, _ body: () async throws -> Value) async throws -> Value {
    do {
      return try await body()
    } catch let error as RPCError {
      throw error
    } catch let refusal as Refusal {
      throw RPCError(code: code(of: refusal.kind), message: refusal.description)
    } catch let evicted as EdgeEvicted {
      throw RPCError(
        code: .permissionDenied, message: evicted.description,
        metadata: [LinkRefusal.metadataKey: .string(LinkRefusal.evicted)])
    } catch is CancellationError {
      throw RPCError(code: .cancelled, message: "the call was cancelled")
    } catch let error as PostgresError {
      logger.warning(
        "the database failed a call of the control link", metadata: ["error": "\(error)"])
      throw RPCError(code: .unavailable, message: "the control plane's database failed at this; try again")
    } catch {
      logger.error("a call of the control link failed", metadata: ["error": "\(type(of: error))"])
      throw RPCError(code: .internalError, message: "the control plane failed at this; its log says why")
    }
  }

  private static func code(of kind: Refusal.Kind) -> RPCError.Code {
    switch kind {
    case .invalid: .invalidArgument
    case .unauthorised: .permissionDenied
    case .notFound: .notFound
    case .conflict: .alreadyExists
    case .tooLarge: .resourceExhausted
    case .unavailable: .unavailable
    }
  }
}
