// All region files of one `strait region apply`: found, read and checked together. Either every file is good and there
// are regions to send, or there is a list of all that is wrong.

import AdminAPI
import Foundation

package enum RegionFiles {
  /// A region file is a few lines; more is not a region file.
  package static let maximumBytes = 65536
  /// As many as the control plane takes at a time.
  package static let maximumFiles = 500

  /// Checks the files and what they say together.
  /// - Returns: the regions in the files' order, and the problems; regions count only when there are no problems
  package static func check(_ files: [RegionFile]) -> (
    regions: [RegionDocument], problems: [RegionFileProblem]
  ) {
    var regions: [RegionDocument] = []
    var problems: [RegionFileProblem] = []
    var paths: [String: String] = [:]
    for file in files {
      let reading = RegionFileReading(file)
      problems += reading.problems
      guard let region = reading.region else { continue }
      if let other = paths[region.name] {
        let message = "region \"\(region.name)\" stands in \(other) already"
        problems.append(RegionFileProblem(path: file.path, line: reading.nameLine, message: message))
      }
      paths[region.name] = file.path
      regions.append(region)
    }
    return (regions, problems)
  }

  /// Reads files, and of folders the `.yaml` and `.yml` files that lie in them, in the order of their names.
  package static func read(_ paths: [String]) -> (files: [RegionFile], problems: [RegionFileProblem]) {
    var files: [RegionFile] = []
    var problems: [RegionFileProblem] = []
    var seen: Set<String> = []
    for path in paths {
      do throws(RegionFileProblem) {
        for found in try expand(path) where seen.insert(canonical(found)).inserted {
          do throws(RegionFileProblem) { files.append(try load(found)) } catch { problems.append(error) }
        }
      } catch { problems.append(error) }
    }
    return (files, problems)
  }

  private static func expand(_ path: String) throws(RegionFileProblem) -> [String] {
    guard try kind(of: path) == .typeDirectory else { return [path] }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw RegionFileProblem(path: path, line: nil, message: "the folder could not be read")
    }
    let regions = names.filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted()
    guard !regions.isEmpty else {
      throw RegionFileProblem(path: path, line: nil, message: "the folder holds no .yaml or .yml file")
    }
    guard regions.count <= maximumFiles else {
      throw RegionFileProblem(
        path: path, line: nil, message: "the folder holds more than \(maximumFiles) files")
    }
    return regions.map { path.hasSuffix("/") ? path + $0 : path + "/" + $0 }
  }

  private static func load(_ path: String) throws(RegionFileProblem) -> RegionFile {
    // A pipe or a device is never opened: reading it might not end.
    guard try kind(of: path) == .typeRegular else {
      throw RegionFileProblem(path: path, line: nil, message: "is not a file")
    }
    let bytes: Data
    do {
      bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw RegionFileProblem(path: path, line: nil, message: "could not be read: check its permissions")
    }
    guard bytes.count <= maximumBytes else {
      throw RegionFileProblem(path: path, line: nil, message: "is larger than \(maximumBytes) bytes")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw RegionFileProblem(path: path, line: nil, message: "is not UTF-8 text")
    }
    return RegionFile(path: path, text: text)
  }

  private static func kind(of path: String) throws(RegionFileProblem) -> FileAttributeType? {
    do {
      let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
      return try FileManager.default.attributesOfItem(atPath: target)[.type] as? FileAttributeType
    } catch {
      throw RegionFileProblem(path: path, line: nil, message: "does not exist or may not be looked at")
    }
  }

  /// A file named twice, or named and in a named folder, is one file.
  private static func canonical(_ path: String) -> String {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path
  }
}

extension RegionFileProblem: Error {}
