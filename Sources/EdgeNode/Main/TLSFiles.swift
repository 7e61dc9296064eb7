// The `tls` part of the edge's configuration file, and what the files that it names hold.

import EdgeDataPath
import Foundation
import StraitSettings

struct TLSFiles: Sendable {
  /// The first is for clients that ask for no name, or for one that none has.
  let certificates: [CertificateFiles]
  /// Shared by edges that are to accept each other's session tickets.
  let ticketSecretFile: String?

  private static let pairKeys = ["certificate_file", "private_key_file"]
  private static let hint =
    "give certificate_file and private_key_file, or a list of such pairs as certificates"

  /// - Throws: `SettingsFault`
  init(_ top: SettingsReader) throws {
    let tls = try SettingsReader(
      try top.subtree("tls", hint: Self.hint), path: "tls",
      known: Self.pairKeys + ["certificates", "ticket_secret_file"])
    var pairs = [CertificateFiles]()
    if tls.optionalSubtree("certificate_file") != nil || tls.optionalSubtree("certificates") == nil {
      pairs.append(try Self.pair(tls))
    }
    if let list = tls.optionalSubtree("certificates") {
      guard case .sequence(let items) = list, !items.isEmpty else {
        throw SettingsFault("tls.certificates", "is not a list", hint: Self.hint)
      }
      for (index, item) in items.enumerated() {
        pairs.append(
          try Self.pair(
            try SettingsReader(item, path: "tls.certificates[\(index)]", known: Self.pairKeys)))
      }
    }
    certificates = pairs
    ticketSecretFile = try tls.optionalText(
      "ticket_secret_file", hint: "give the path of a file with at least 32 random bytes")
  }

  private static func pair(_ reader: SettingsReader) throws -> CertificateFiles {
    CertificateFiles(
      certificateFile: try reader.text(
        "certificate_file", hint: "give the path of the certificate chain in PEM form"),
      privateKeyFile: try reader.text(
        "private_key_file", hint: "give the path of the certificate's key in PEM form"))
  }

  /// Every file that matters.
  var paths: [String] {
    certificates.flatMap { [$0.certificateFile, $0.privateKeyFile] } + [ticketSecretFile].compactMap(\.self)
  }

  /// - Throws: `SettingsFault`
  func ticketSecret() throws -> [UInt8]? {
    guard let ticketSecretFile else { return nil }
    let hint = "write at least \(TicketKeys.leastSecretBytes) random bytes into \(ticketSecretFile)"
    guard let data = FileManager.default.contents(atPath: ticketSecretFile) else {
      throw SettingsFault("tls.ticket_secret_file", "cannot be read", hint: hint)
    }
    guard data.count >= TicketKeys.leastSecretBytes, data.count <= 65_536 else {
      throw SettingsFault("tls.ticket_secret_file", "is too short, or no secret", hint: hint)
    }
    return Array(data)
  }
}

/// What tells one state of some files from another without reading them. A replaced file has another inode even when
/// its time is the same.
struct FileStates: Equatable {
  private struct State: Equatable {
    var device: UInt64 = 0
    var inode: UInt64 = 0
    var size: Int64 = 0
    var seconds = 0
    var nanoseconds = 0
  }

  private let states: [State]

  init(_ paths: [String]) {
    states = paths.map { path in
      var status = stat()
      guard stat(path, &status) == 0 else { return State() }
      return State(
        device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
        seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
    }
  }
}
