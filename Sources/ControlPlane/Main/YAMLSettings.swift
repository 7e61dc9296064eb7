// Reads a YAML file as a tree of settings.

import ControlPlaneCore
import Foundation
import Yams

extension SettingsTree {
  private static let maximumBytes = 1 << 20

  /// - Throws: `SettingsFault` where the file cannot be read or is not YAML
  init(yamlFile path: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw SettingsFault("", "cannot be read", hint: "check that it exists and that this user may read it")
    }
    guard data.count <= Self.maximumBytes, let text = String(data: data, encoding: .utf8) else {
      throw SettingsFault("", "is too large, or not UTF-8", hint: "give a YAML file")
    }
    do {
      guard let node = try Yams.compose(yaml: text) else {
        throw SettingsFault("", "is empty", hint: "see the README for an example")
      }
      self = SettingsTree(node)
    } catch let error as YamlError {
      throw SettingsFault("", "is not valid YAML", hint: Self.place(of: error))
    }
  }

  private init(_ node: Node) {
    switch node {
    case .mapping(let mapping):
      self = .mapping(mapping.map { (key: $0.key.string ?? "?", value: SettingsTree($0.value)) })
    case .sequence(let sequence):
      self = .sequence(sequence.map(SettingsTree.init))
    case .scalar(let scalar):
      self = .scalar(scalar.string)
    case .alias:
      self = .scalar("")
    }
  }

  /// Where the parser stopped; its own message would repeat the line, which may hold a password.
  private static func place(of error: YamlError) -> String {
    switch error {
    case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
      "look at line \(mark.line), column \(mark.column)"
    default: "check its indentation and quotation marks"
    }
  }
}
