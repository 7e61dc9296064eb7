// One resource's fields at a version, and how two of them differ: what a person sees of a change.

import AdminAPI
import Foundation

/// The columns of a row as texts.
package struct ResourceContent: Sendable, Equatable {
  package let fields: [String: String]

  package init(fields: [String: String]) {
    self.fields = fields
  }

  /// - Parameter json: a row as an object; nothing where there was no such row
  package init?(json: String?) throws(Refusal) {
    guard let json else { return nil }
    do {
      guard let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] else {
        throw Self.unreadable
      }
      fields = object.compactMapValues(Self.text)
    } catch {
      throw Self.unreadable
    }
  }

  private static let unreadable = Refusal(.unavailable, "the history holds a row that cannot be read")

  private static func text(_ value: Any) -> String? {
    switch value {
    case let text as String: text
    // JSONSerialization gives truth values as numbers of this type.
    case let number as NSNumber where isTruthValue(number): number.boolValue ? "yes" : "no"
    case let number as NSNumber: number.stringValue
    default: nil
    }
  }

  /// What people call it.
  package var name: String? { fields["name"] ?? fields["model"] ?? fields["public_id"] }

  /// Says nothing about what the resource does.
  fileprivate static let silent: Set<String> = ["id", "created_at", "updated_at"]
}

/// Whether JSON said `true` or `false`.
private func isTruthValue(_ number: NSNumber) -> Bool {
  String(cString: number.objCType) == "c"
}

extension ResourceDifference {
  package init(
    kind: String, id: String, before: ResourceContent?, after: ResourceContent?, otherCredential: Bool
  ) {
    let names = Set(before?.fields.keys.map { $0 } ?? []).union(after?.fields.keys.map { $0 } ?? [])
    var fields = names.subtracting(ResourceContent.silent).sorted().compactMap { name -> FieldDifference? in
      let (old, new) = (before?.fields[name], after?.fields[name])
      return old == new ? nil : FieldDifference(field: name, before: old, after: new)
    }
    if otherCredential && before != nil && after != nil {
      fields.append(FieldDifference(field: "credential", before: "(sealed)", after: "(another, sealed)"))
    }
    let change =
      switch (before, after) {
      case (nil, _): "added"
      case (_, nil): "removed"
      default: "changed"
      }
    self.init(
      kind: kind, id: id, name: after?.name ?? before?.name ?? id, change: change, fields: fields)
  }
}
