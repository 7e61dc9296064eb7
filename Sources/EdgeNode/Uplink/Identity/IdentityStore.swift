// The identity on disk: identity.key, identity.pem, identity.json. The last of them is written last, so that an identity
// is there in full or not at all.

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

  private struct Document: Codable {
    var edgeID: String
    var region: String

    enum CodingKeys: String, CodingKey {
      case edgeID = "edge_id"
      case region
    }
  }

  /// The stored identity, nil when this edge has not enrolled.
  /// - Throws: `UplinkError.damagedIdentity` when there is one that cannot be used. It is never replaced unasked: its
  ///   edge would turn up in the fleet a second time.
  func load() throws -> (EdgeIdentity, EdgeCredentials)? {
    guard let document = try readFile(documentPath) else { return nil }
    guard let fields = try? JSONDecoder().decode(Document.self, from: Data(document)),
      let edge = EdgeID(fields.edgeID), !fields.region.isEmpty
    else { throw damaged(documentPath, "it is not a document with edge_id and region") }
    guard let key = try loadKey() else { throw damaged(keyPath, "the file is missing") }
    guard let chain = try readFile(chainPath) else { throw damaged(chainPath, "the file is missing") }
    let chainPEM = String(decoding: chain, as: UTF8.self)
    let leaf = try self.leaf(chainPEM)
    guard leaf.publicKey == Certificate.PrivateKey(key).publicKey else {
      throw damaged(chainPath, "the certificate belongs to another key than \(keyPath)")
    }
    let identity = EdgeIdentity(edge: edge, region: fields.region, certificateExpires: leaf.notValidAfter)
    return (identity, EdgeCredentials(key: key, chainPEM: chainPEM))
  }

  /// The key to enrol with: the one that is there, so that an enrolment whose answer was lost can be asked for again.
  func makeKey() throws -> P256.Signing.PrivateKey {
    try DurableFile.makeFolder(folder)
    if let key = try loadKey() { return key }
    let key = P256.Signing.PrivateKey()
    try DurableFile.write(Array(key.pemRepresentation.utf8), to: keyPath)
    return key
  }

  func store(edge: EdgeID, region: String, chainPEM: String) throws {
    try DurableFile.write(Array(chainPEM.utf8), to: chainPath, mode: 0o644)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let document = try encoder.encode(Document(edgeID: edge.description, region: region))
    try DurableFile.write(Array(document) + [UInt8(ascii: "\n")], to: documentPath, mode: 0o644)
  }

  private func loadKey() throws -> P256.Signing.PrivateKey? {
    guard let bytes = try readFile(keyPath) else { return nil }
    // The error of the parser is not passed on: it might quote what it read.
    guard let key = try? P256.Signing.PrivateKey(pemRepresentation: String(decoding: bytes, as: UTF8.self))
    else {
      throw damaged(keyPath, "it is not a P-256 key in PEM")
    }
    return key
  }

  private func leaf(_ chainPEM: String) throws -> Certificate {
    do {
      let documents = try PEMDocument.parseMultiple(pemString: chainPEM)
      guard let first = documents.first else { throw damaged(chainPath, "it holds no certificate") }
      return try Certificate(pemDocument: first)
    } catch let error as UplinkError {
      throw error
    } catch {
      throw damaged(chainPath, "it is not a certificate chain in PEM")
    }
  }

  private func readFile(_ path: String) throws -> [UInt8]? {
    try DurableFile.read(path, limitBytes: 1 << 20)
  }

  private func damaged(_ path: String, _ reason: String) -> UplinkError {
    .damagedIdentity(path: path, reason: reason)
  }
}
