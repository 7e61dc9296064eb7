// One region file: YAML text in, a region or everything that is wrong with it out. Reads no disk.

import AdminAPI
import Yams

/// A file's text and the path that is shown with its problems.
package struct RegionFile: Sendable {
  package let path: String
  package let text: String

  package init(path: String, text: String) {
    self.path = path
    self.text = text
  }

  /// The file's name without folder and extension: what the region in it must be called.
  var stem: String {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
    return String(name[..<dot])
  }
}

/// What is wrong with a file, and where.
package struct RegionFileProblem: Sendable, Equatable, CustomStringConvertible {
  package let path: String
  /// From 1; nil when the problem is the whole file's.
  package let line: Int?
  package let message: String

  package init(path: String, line: Int?, message: String) {
    self.path = path
    self.line = line
    self.message = message
  }

  /// `regions/eu-west.yaml:4: unknown key "contry"`
  package var description: String {
    line.map { "\(path):\($0): \(message)" } ?? "\(path): \(message)"
  }
}

/// The reading of one file: collects problems instead of stopping at the first.
struct RegionFileReading {
  let file: RegionFile
  private(set) var region: RegionDocument?
  /// The line of the region's name.
  private(set) var nameLine: Int?
  private(set) var problems: [RegionFileProblem] = []

  init(_ file: RegionFile) {
    self.file = file
    do {
      // No rules of the library's: it speaks YAML 1.1, where the country NO is a boolean.
      guard let root = try Yams.compose(yaml: file.text, .basic) else {
        report("the file is empty: a region needs \(RegionRules.fields.joined(separator: ", "))")
        return
      }
      guard case .mapping(let mapping) = root else {
        report("a region must be a mapping of key: value lines", at: root)
        return
      }
      read(mapping)
    } catch {
      let (line, message) = Self.explain(error, in: file.text)
      report("not valid YAML: \(message)", line: line)
    }
    problems.sort { ($0.line ?? 0) < ($1.line ?? 0) }
  }

  private mutating func read(_ mapping: Node.Mapping) {
    var values: [String: (text: String, node: Node)] = [:]
    var seen: Set<String> = []
    for (key, value) in mapping {
      guard let field = key.scalar?.string, RegionRules.fields.contains(field) else {
        let shown = key.scalar.map { RegionRules.quoted($0.string) } ?? "that is not text"
        report("unknown key \(shown): a region has \(RegionRules.fields.joined(separator: ", "))", at: key)
        continue
      }
      seen.insert(field)
      guard let text = text(of: value, field: field) else { continue }
      if let fault = RegionRules.fault(in: field, value: text) {
        report(fault, at: value)
      } else {
        values[field] = (text, value)
      }
    }
    for field in RegionRules.fields where !seen.contains(field) {
      report("missing key \"\(field)\"", line: mapping.mark?.line)
    }
    checkTogether(values)
  }

  /// The rules that bind fields to one another and to the file's name.
  private mutating func checkTogether(_ values: [String: (text: String, node: Node)]) {
    if let name = values["name"] {
      nameLine = name.node.mark?.line
      if name.text != file.stem {
        report("name \"\(name.text)\" must be the file's name, \"\(file.stem)\"", at: name.node)
      }
    }
    if let country = values["country"], let written = values["jurisdiction"],
      let jurisdiction = Jurisdiction.named(written.text),
      let fault = RegionRules.fault(country: country.text, in: jurisdiction)
    {
      report(fault, at: country.node)
    }
    guard problems.isEmpty, let name = values["name"], let title = values["title"],
      let jurisdiction = values["jurisdiction"], let country = values["country"]
    else { return }
    region = RegionDocument(
      name: name.text, title: title.text, jurisdiction: jurisdiction.text, country: country.text)
  }

  private mutating func text(of node: Node, field: String) -> String? {
    let kind: String
    switch node {
    case .scalar(let scalar):
      guard let other = coreType(of: scalar) else { return scalar.string }
      kind = other
    case .mapping: kind = "a mapping"
    case .sequence: kind = "a list"
    case .alias: kind = "an alias"
    }
    report("\(field) must be text and not \(kind); put it in quotes if it is meant so", at: node)
    return nil
  }

  private mutating func report(_ message: String, at node: Node) {
    report(message, line: node.mark?.line)
  }

  private mutating func report(_ message: String, line: Int? = nil) {
    problems.append(RegionFileProblem(path: file.path, line: line, message: message))
  }

  private static func explain(_ error: any Error, in text: String) -> (line: Int?, message: String) {
    switch error {
    case YamlError.scanner(let context, let problem, let mark, _),
      YamlError.parser(let context, let problem, let mark, _),
      YamlError.composer(let context, let problem, let mark, _):
      return (mark.line, context.map { "\($0.text), \(problem)" } ?? problem)
    case YamlError.duplicatedKeysInMapping(let duplicates, let context):
      let line = duplicates.compactMap { secondLine(of: $0, in: text) }.min() ?? context.mark.line
      return (line, "key \(duplicates.sorted().joined(separator: ", ")) stands twice")
    case YamlError.reader(let problem, let offset, _, _):
      return (offset.map { text.prefix($0).count(where: \.isNewline) + 1 }, problem)
    default:
      return (nil, "it could not be read")
    }
  }

  /// The line on which a key stands for the second time: the library only says where the mapping starts.
  private static func secondLine(of key: String, in text: String) -> Int? {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    let found = lines.indices.filter { lines[$0].hasPrefix("\(key):") }
    return found.count > 1 ? found[1] + 1 : nil
  }
}

/// What YAML 1.2's core schema takes a plain scalar for when it is not text, or nil when it is text.
private func coreType(of scalar: Node.Scalar) -> String? {
  guard scalar.style == .plain || scalar.style == .any else { return nil }
  switch scalar.string {
  case "", "~", "null", "Null", "NULL": return "empty"
  case "true", "True", "TRUE", "false", "False", "FALSE": return "a boolean"
  case let text where text.wholeMatch(of: /[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+/) != nil: return "a number"
  case let text
  where text.wholeMatch(of: /[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan/) != nil:
    return "a number"
  default: return nil
  }
}
