// What came back from the admin API, turned into the document that was asked for or into words for the operator. Pure.

import AdminAPI
import Foundation

package struct AdminAnswer: Sendable {
  package let status: Int
  package let contentType: String?
  package let body: Data

  package init(status: Int, contentType: String?, body: Data) {
    self.status = status
    self.contentType = contentType
    self.body = body
  }

  package func document<Document: Decodable>(
    from settings: ConnectionSettings
  ) throws(OperatorFault) -> Document {
    guard (200..<300).contains(status) else { throw refusal(from: settings) }
    guard isJSON else { throw foreign(settings) }
    do {
      return try AdminJSON.decode(Document.self, from: body)
    } catch {
      throw OperatorFault(
        "the control plane at \(settings.address) sent a document that this strait does not understand",
        next: "compare the versions with: strait doctor")
    }
  }

  private func refusal(from settings: ConnectionSettings) -> OperatorFault {
    let detail: AdminErrorBody.Detail?
    do {
      detail = isJSON ? try AdminJSON.decode(AdminErrorBody.self, from: body).error : nil
    } catch {
      detail = nil
    }
    // A wrong token has one way out, and the operator's side knows which file it came from.
    if status == 401 { return unauthorized(settings, detail) }
    guard let detail else { return foreign(settings) }
    return OperatorFault(
      "\(detail.message) (\(detail.code))", next: detail.hint ?? Self.defaultNext(code: detail.code))
  }

  private func unauthorized(_ settings: ConnectionSettings, _ detail: AdminErrorBody.Detail?) -> OperatorFault
  {
    let place =
      switch settings.token {
      case .file(let path): "the token file \(path)"
      case .environment: "STRAIT_ADMIN_TOKEN"
      }
    return OperatorFault(
      "the control plane at \(settings.address) does not accept the operator token"
        + (detail.map { ": \($0.message) (\($0.code))" } ?? ""),
      next: "put a token of this control plane into \(place)")
  }

  private func foreign(_ settings: ConnectionSettings) -> OperatorFault {
    let kind = contentType.map { String($0.prefix { $0 != ";" }) } ?? "no content type"
    return OperatorFault(
      "what answers at \(settings.address) is not a control plane's admin API (status \(status), \(kind))",
      next: "correct the address in \(settings.source), or look at the proxy before the control plane")
  }

  private var isJSON: Bool {
    contentType?.lowercased().hasPrefix("application/json") == true
  }

  private static func defaultNext(code: String) -> String {
    switch code {
    case "not_found": "see what there is with the matching list command"
    case "conflict": "look at what stands with the matching list command, and choose another name"
    case "invalid_request": "correct the value and run the command again"
    case "unavailable": "wait a moment and run strait doctor"
    default: "look at the control plane's log, then run strait doctor"
    }
  }
}
