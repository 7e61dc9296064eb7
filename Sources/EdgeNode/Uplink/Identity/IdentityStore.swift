// The identity on disk: identity.key, identity.pem, identity.json. The last of them is written last, so that an identity
// is there in full or not at all. A renewal prepares identity.key.next and identity.pem.next; once the second of them is
// there the renewal has happened, and whoever looks next puts both in place. sealing.key keeps the snapshot's key from
// the first renewal on.

import Crypto
import FoundationEssentials
import StraitProtocol
import SwiftASN1
import X509

struct IdentityStore: Sendable {
  let folder: String

  private var keyPath: String { folder + "/identity.key" }
  private var chainPath: String { folder + "/identity.pem" }
  private var documentPath: String { folder + "/identity.json" }
  private var nextKeyPath: String { keyPath + ".next" }
  private var nextChainPath: String { chainPath + ".next" }
  private var sealingKeyPath: String { folder + "/sealing.key" }

  private struct Document: Codable {
    var edgeID: String
    var region: String
    /// The control plane has said that this edge is out of the fleet.
    var evicted: Bool?

    enum CodingKeys: String, CodingKey {
      case edgeID = "edge_id"
      case region
      case evicted
    }
  }

  /// The stored identity, nil when this edge has not enrolled.
  /// - Throws: `UplinkError.damagedIdentity` when there is one that cannot be used. It is never replaced unasked: its
  ///   edge would turn up in the fleet a second time.
  func load() throws -> (EdgeIdentity, EdgeCredentials)? {
    guard let (fields, edge) = try loadDocument() else { return nil }
    if fields.evicted == true { throw UplinkError.evicted(folder: folder) }
    try finishRenewal()
    guard let key = try loadKey(keyPath) else { throw damaged(keyPath, "the file is missing") }
    guard let chain = try readFile(chainPath) else { throw damaged(chainPath, "the file is missing") }
    let chainPEM = String(decoding: chain, as: UTF8.self)
    let leaf = try self.leaf(chainPEM, chainPath)
    guard leaf.publicKey == Certificate.PrivateKey(key).publicKey else {
      throw damaged(chainPath, "the certificate belongs to another key than \(keyPath)")
    }
    let identity = EdgeIdentity(
      edge: edge, region: fields.region, certificateBegins: leaf.notValidBefore,
      certificateExpires: leaf.notValidAfter)
    let credentials = EdgeCredentials(key: key, chainPEM: chainPEM, snapshotKey: try snapshotKey(first: key))
    return (identity, credentials)
  }

  /// The key to enrol with: the one that is there, so that an enrolment whose answer was lost can be asked for again.
  func makeKey() throws -> P256.Signing.PrivateKey {
    try DurableFile.makeFolder(folder)
    return try key(at: keyPath)
  }

  private func key(at path: String) throws -> P256.Signing.PrivateKey {
    if let key = try loadKey(path) { return key }
    let key = P256.Signing.PrivateKey()
    try DurableFile.write(Array(key.pemRepresentation.utf8), to: path)
    return key
  }

  func store(edge: EdgeID, region: String, chainPEM: String) throws {
    try DurableFile.write(Array(chainPEM.utf8), to: chainPath, mode: 0o644)
    try write(Document(edgeID: edge.description, region: region))
  }

  // MARK: Renewal

  /// The key to renew with: the one that was asked for before, where the answer was lost.
  func nextKey() throws -> P256.Signing.PrivateKey { try key(at: nextKeyPath) }

  /// Puts the next key and its certificate in the place of the present ones.
  func adoptNextKey(chainPEM: String) throws {
    if try readFile(sealingKeyPath) == nil, let first = try loadKey(keyPath) {
      let bytes = EdgeCredentials.firstSnapshotKey(of: first).withUnsafeBytes { Array($0) }
      try DurableFile.write(bytes, to: sealingKeyPath)
    }
    try DurableFile.write(Array(chainPEM.utf8), to: nextChainPath, mode: 0o644)
    try finishRenewal()
  }

  /// Finishes what a stop may have interrupted, in this order: the key, then its certificate.
  private func finishRenewal() throws {
    guard let chain = try readFile(nextChainPath) else { return }
    let wanted = try leaf(String(decoding: chain, as: UTF8.self), nextChainPath).publicKey
    if let next = try loadKey(nextKeyPath), Certificate.PrivateKey(next).publicKey == wanted {
      try DurableFile.rename(nextKeyPath, to: keyPath)
    }
    try DurableFile.rename(nextChainPath, to: chainPath)
  }

  private func snapshotKey(first key: P256.Signing.PrivateKey) throws -> SymmetricKey {
    guard let bytes = try readFile(sealingKeyPath) else { return EdgeCredentials.firstSnapshotKey(of: key) }
    guard bytes.count == 32 else { throw damaged(sealingKeyPath, "it is not of 32 bytes") }
    return SymmetricKey(data: bytes)
  }

  // MARK: Eviction

  var isEvicted: Bool {
    get throws { try owner()?.isEvicted == true }
  }

  /// Whose identity it is; nil when this edge has not enrolled.
  func owner() throws -> (edge: EdgeID, isEvicted: Bool)? {
    try loadDocument().map { ($0.edge, $0.fields.evicted == true) }
  }

  /// Remembers that this edge is out of the fleet, so that a restart does not serve again.
  func markEvicted() throws {
    guard var fields = try loadDocument()?.fields else { return }
    fields.evicted = true
    try write(fields)
  }

  /// Removes an evicted edge's identity, so that this folder can become a new edge's.
  func forget() throws {
    for path in [keyPath, nextKeyPath, chainPath, nextChainPath, sealingKeyPath, documentPath] {
      try DurableFile.remove(path)
    }
  }

  // MARK: Files

  private func loadDocument() throws -> (fields: Document, edge: EdgeID)? {
    guard let document = try readFile(documentPath) else { return nil }
    guard let fields = try? JSONDecoder().decode(Document.self, from: Data(document)),
      let edge = EdgeID(fields.edgeID), !fields.region.isEmpty
    else { throw damaged(documentPath, "it is not a document with edge_id and region") }
    return (fields, edge)
  }

  private func write(_ fields: Document) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let document = try encoder.encode(fields)
    try DurableFile.write(Array(document) + [UInt8(ascii: "\n")], to: documentPath, mode: 0o644)
  }

  private func loadKey(_ path: String) throws -> P256.Signing.PrivateKey? {
    guard let bytes = try readFile(path) else { return nil }
    // The error of the parser is not passed on: it might quote what it read.
    guard let key = try? P256.Signing.PrivateKey(pemRepresentation: String(decoding: bytes, as: UTF8.self))
    else {
      throw damaged(path, "it is not a P-256 key in PEM")
    }
    return key
  }

  private func leaf(_ chainPEM: String, _ path: String) throws -> Certificate {
    do {
      let documents = try PEMDocument.parseMultiple(pemString: chainPEM)
      guard let first = documents.first else { throw damaged(path, "it holds no certificate") }
      return try Certificate(pemDocument: first)
    } catch let error as UplinkError {
      throw error
    } catch {
      throw damaged(path, "it is not a certificate chain in PEM")
    }
  }

  private func readFile(_ path: String) throws -> [UInt8]? {
    try DurableFile.read(path, limitBytes: 1 << 20)
  }

  private func damaged(_ path: String, _ reason: String) -> UplinkError {
    .damagedIdentity(path: path, reason: reason)
  }
}
