// The edge's configuration file, checked. Keys are limits' and addresses' names; see the README for an example.

import EdgeDataPath
import StraitSettings

struct EdgeFile {
  let listen: SocketAddress
  let adminListen: SocketAddress
  let baseURL: String
  let dataDirectory: String
  let tls: TLSFiles
  /// Of every replica: any of them serves any edge.
  let controlPlaneAddresses: [String]
  let enrolmentAddresses: [String]
  let authorityFile: String
  /// How long the control plane, or another edge, may take to answer the first packet.
  let connectSeconds: Int?
  /// Where edges of the same region may ask for this edge's configuration while the control plane is away.
  let peerListen: String?
  /// Edges of the same region that may be asked.
  let peers: [String]
  let workers: Int
  let drainSeconds: Int
  let limits: RelayLimits
  /// nil where none is to be written.
  let accessLog: (file: String, sample: Int)?

  /// - Throws: `SettingsFault`
  init(path: String, cores: Int) throws {
    let tree = try SettingsTree(yamlFile: path)
    let top = try SettingsReader(
      tree, path: "",
      known: [
        "listen", "admin_listen", "base_url", "data_directory", "tls", "control_plane", "workers",
        "drain_seconds",
        "limits", "access_log", "peer_listen", "peers",
      ])
    listen = try Self.address(top, "listen")
    adminListen = try Self.address(top, "admin_listen")
    baseURL = try Self.url(top)
    dataDirectory = try top.text("data_directory", hint: "give the folder for the edge's own files")
    tls = try TLSFiles(top)
    let control = try SettingsReader(
      try top.subtree("control_plane", hint: "give address, enrolment_address and authority_file"),
      path: "control_plane", known: ["address", "enrolment_address", "authority_file", "connect_seconds"])
    controlPlaneAddresses = try Self.hostsAndPorts(control, "address")
    enrolmentAddresses = try Self.hostsAndPorts(control, "enrolment_address")
    authorityFile = try control.text(
      "authority_file", hint: "give the path of the control plane's CA in PEM form")
    connectSeconds = try control.optionalNumber("connect_seconds", in: 1...10)
    peerListen = try Self.peerListen(top)
    peers = try Self.peers(top)
    workers = try top.optionalNumber("workers", in: 1...256) ?? cores
    drainSeconds = try top.optionalNumber("drain_seconds", in: 0...3600) ?? 30
    limits = try Self.limits(top)
    accessLog = try Self.accessLog(top)
  }

  private static func accessLog(_ top: SettingsReader) throws -> (file: String, sample: Int)? {
    guard let tree = top.optionalSubtree("access_log") else { return nil }
    let reader = try SettingsReader(tree, path: "access_log", known: ["file", "sample"])
    let file = try reader.text("file", hint: "give the path of the file to write to")
    return (file, try reader.optionalNumber("sample", in: 1...1_000_000) ?? 1)
  }

  private static func address(_ reader: SettingsReader, _ key: String) throws -> SocketAddress {
    let hint = "write an IP address and a port, such as 127.0.0.1:8443 or [::]:8443"
    guard let address = SocketAddress(try reader.text(key, hint: hint)) else {
      throw SettingsFault(reader.place(key), "is not an address to listen on", hint: hint)
    }
    return address
  }

  private static func peerListen(_ top: SettingsReader) throws -> String? {
    guard top.optionalSubtree("peer_listen") != nil else { return nil }
    _ = try address(top, "peer_listen")
    return try top.optionalText("peer_listen", hint: "write an IP address and a port")
  }

  private static func peers(_ top: SettingsReader) throws -> [String] {
    guard top.optionalSubtree("peers") != nil else { return [] }
    let peers = try top.texts("peers", hint: "list the peer_listen addresses of edges of the same region")
    for (index, peer) in peers.enumerated() { try checkHostAndPort(peer, "peers[\(index)]") }
    return peers
  }

  /// One, or a list of them.
  private static func hostsAndPorts(_ reader: SettingsReader, _ key: String) throws -> [String] {
    guard case .sequence = try reader.subtree(key, hint: hostAndPortHint) else {
      let text = try reader.text(key, hint: hostAndPortHint)
      try checkHostAndPort(text, reader.place(key))
      return [text]
    }
    let texts = try reader.texts(key, hint: hostAndPortHint)
    for (index, text) in texts.enumerated() { try checkHostAndPort(text, "\(reader.place(key))[\(index)]") }
    return texts
  }

  private static let hostAndPortHint =
    "write a name or an IP address and a port, such as control.example.com:7443"

  private static func checkHostAndPort(_ text: String, _ place: String) throws {
    guard let colon = text.lastIndex(of: ":"), colon > text.startIndex,
      let port = UInt16(text[text.index(after: colon)...]), port > 0
    else { throw SettingsFault(place, "is not a host and a port", hint: hostAndPortHint) }
  }

  private static func url(_ top: SettingsReader) throws -> String {
    let hint = "write where clients reach this edge, such as https://eu.example.com/v1"
    let text = try top.text("base_url", hint: hint)
    guard text.hasPrefix("https://"), text.count > 8 else {
      throw SettingsFault("base_url", "is not an https URL", hint: hint)
    }
    return text
  }

  private static func limits(_ top: SettingsReader) throws -> RelayLimits {
    var limits = RelayLimits()
    guard let tree = top.optionalSubtree("limits") else { return limits }
    let keys = LimitKey.all
    let reader = try SettingsReader(tree, path: "limits", known: keys.map(\.name))
    for key in keys {
      guard let value = try reader.optionalNumber(key.name, in: key.range) else { continue }
      key.set(value, &limits)
    }
    let percents = [limits.memoryDrainPercent, limits.memoryRefusePercent, limits.memoryResetPercent]
    guard percents == percents.sorted() else {
      throw SettingsFault(
        "limits", "has memory percents out of order",
        hint: "let drain be at most refuse, and refuse at most reset")
    }
    return limits
  }
}
