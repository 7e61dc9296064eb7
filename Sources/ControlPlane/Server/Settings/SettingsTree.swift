// A configuration file as a tree, whatever syntax it was written in, read with the path of every key at hand.

/// What a file can hold. Scalars are text: their meaning is the reader's to say.
package indirect enum SettingsTree: Sendable, Equatable {
  case mapping([(key: String, value: SettingsTree)])
  case sequence([SettingsTree])
  case scalar(String)

  package static func == (left: SettingsTree, right: SettingsTree) -> Bool {
    switch (left, right) {
    case (.mapping(let left), .mapping(let right)): left.elementsEqual(right) { $0 == $1 }
    case (.sequence(let left), .sequence(let right)): left == right
    case (.scalar(let left), .scalar(let right)): left == right
    default: false
    }
  }
}

/// What is wrong with a configuration file, where, and what to do about it. Values are not repeated: one is a password.
package struct SettingsFault: Error, Equatable, CustomStringConvertible {
  package let path: String
  package let problem: String
  package let hint: String

  package init(_ path: String, _ problem: String, hint: String) {
    self.path = path
    self.problem = problem
    self.hint = hint
  }

  package var description: String { "\(path.isEmpty ? "the file" : path) \(problem): \(hint)" }
}

/// One mapping of the tree.
struct SettingsReader {
  let path: String
  private let entries: [String: SettingsTree]

  /// - Parameter known: every key that may stand here
  init(_ tree: SettingsTree, path: String, known: [String]) throws(SettingsFault) {
    guard case .mapping(let pairs) = tree else {
      throw SettingsFault(path, "is not a mapping", hint: "give it the keys \(known.joined(separator: ", "))")
    }
    self.path = path
    var entries: [String: SettingsTree] = [:]
    for (key, value) in pairs {
      let place = path.isEmpty ? key : "\(path).\(key)"
      guard known.contains(key) else {
        throw SettingsFault(
          place, "is not a known key", hint: "known keys here are \(known.joined(separator: ", "))")
      }
      guard entries.updateValue(value, forKey: key) == nil else {
        throw SettingsFault(place, "is given twice", hint: "keep one of the two")
      }
    }
    self.entries = entries
  }

  func place(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  func subtree(_ key: String, hint: String) throws(SettingsFault) -> SettingsTree {
    guard let value = entries[key] else { throw SettingsFault(place(key), "is missing", hint: hint) }
    return value
  }

  func text(_ key: String, hint: String) throws(SettingsFault) -> String {
    guard case .scalar(let text) = try subtree(key, hint: hint), !text.isEmpty else {
      throw SettingsFault(place(key), "is not a text", hint: hint)
    }
    return text
  }

  func optionalText(_ key: String, hint: String) throws(SettingsFault) -> String? {
    entries[key] == nil ? nil : try text(key, hint: hint)
  }

  func texts(_ key: String, hint: String) throws(SettingsFault) -> [String] {
    guard case .sequence(let items) = try subtree(key, hint: hint), !items.isEmpty else {
      throw SettingsFault(place(key), "is not a list", hint: hint)
    }
    var texts: [String] = []
    for (index, item) in items.enumerated() {
      guard case .scalar(let text) = item, !text.isEmpty else {
        throw SettingsFault("\(place(key))[\(index)]", "is not a text", hint: hint)
      }
      texts.append(text)
    }
    return texts
  }
}
