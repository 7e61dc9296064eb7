// What has to stand before anything is served: the schema, the lineage, the certificate authority, the first operator.
// Every start goes through here, and any number of first starts may do so at once.

import AdminAPI
import Logging
import Postgres
import StraitProtocol

/// What a running control plane is made of, known once the start has gone well.
package struct Installation: Sendable {
  package let lineage: LineageID
  package let authority: CertificateAuthority
  package let key: KeyEncryptionKey
  /// Where the first operator's token was written, at the start that made it.
  package let newTokenFile: String?
}

package struct InstallationService: Sendable {
  let pool: PostgresPool
  let dataDirectory: String
  let logger: Logger

  package init(pool: PostgresPool, dataDirectory: String, logger: Logger) {
    self.pool = pool
    self.dataDirectory = dataDirectory
    self.logger = logger
  }

  package var keyFile: String { "\(dataDirectory)/key-encryption-key" }
  package var tokenFile: String { "\(dataDirectory)/operator-token" }
  package var authorityFile: String { "\(dataDirectory)/control-ca.pem" }

  package func prepare() async throws -> Installation {
    try PrivateFile.createFolder(dataDirectory)
    try await Schema.migrations.run(on: pool, logger: logger)
    let installation = try await pool.transaction { transaction in
      try await InstallationStore.lock(on: transaction)
      let row = try await InstallationStore.find(on: transaction)
      let newTokenFile = try await ensureOperator(on: transaction)
      if let row { return try open(row, newTokenFile: newTokenFile) }
      return try await found(newTokenFile: newTokenFile, on: transaction)
    }
    let pem = try installation.authority.certificate.serializeAsPEM().pemString + "\n"
    try PrivateFile.replace(Array(pem.utf8), at: authorityFile, permissions: 0o644)
    return installation
  }

  private func found(newTokenFile: String?, on transaction: PostgresTransaction) async throws -> Installation
  {
    let key = try readKey(
      try PrivateFile.createIfAbsent(Array(hexadecimal(KeyEncryptionKey.randomBytes()).utf8), at: keyFile))
    let authority = try CertificateAuthority.make(now: .now)
    let row = InstallationRow(
      lineage: newIdentifier(), authorityCertificate: try authority.certificate.derBytes(),
      authorityKeySealed: try key.seal(authority.keyDER, for: .authorityKey))
    try await InstallationStore.insert(row, on: transaction)
    let account = try ResourceName(TeamService.defaultAccount, of: "account")
    _ = try await TeamStore.accountNamed(account, orNew: newIdentifier(), on: transaction)
    return Installation(lineage: row.lineage, authority: authority, key: key, newTokenFile: newTokenFile)
  }

  private func open(_ row: InstallationRow, newTokenFile: String?) throws -> Installation {
    guard let bytes = try PrivateFile.read(keyFile) else {
      throw StartFault(
        "\(keyFile) is missing, but this database was made with one",
        hint: "copy the key-encryption-key file from the control plane that made this database")
    }
    let key = try readKey(bytes)
    let authority = try CertificateAuthority(
      certificateDER: row.authorityCertificate,
      keyDER: try key.open(row.authorityKeySealed, for: .authorityKey))
    return Installation(lineage: row.lineage, authority: authority, key: key, newTokenFile: newTokenFile)
  }

  private func readKey(_ bytes: [UInt8]) throws -> KeyEncryptionKey {
    let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
    guard let key = hexadecimalBytes(text).flatMap(KeyEncryptionKey.init(bytes:)) else {
      throw StartFault(
        "\(keyFile) does not hold 64 hexadecimal digits",
        hint: "put back the file that this installation was made with")
    }
    return key
  }

  /// The file is written before the digest is committed: a start that dies in between leaves a token that the next
  /// start takes up, and never a digest whose token nobody has.
  private func ensureOperator(on transaction: PostgresTransaction) async throws -> String? {
    guard try await OperatorTokenStore.isEmpty(on: transaction) else { return nil }
    let draft = BearerToken.generate(for: .operate)
    let stored = try PrivateFile.createIfAbsent(Array((draft.secret + "\n").utf8), at: tokenFile)
    let text = String(decoding: stored, as: UTF8.self).filter { !$0.isWhitespace }
    guard let token = BearerToken(text, for: .operate) else {
      throw StartFault(
        "\(tokenFile) does not hold an operator token", hint: "remove the file and start again")
    }
    try await OperatorTokenStore.insert(id: newUUID(), name: "first", digest: token.digest, on: transaction)
    return tokenFile
  }
}

/// Why the control plane cannot start, in words for the operator.
package struct StartFault: Error, CustomStringConvertible {
  package let message: String
  package let hint: String

  package init(_ message: String, hint: String) {
    self.message = message
    self.hint = hint
  }

  package var description: String { "\(message): \(hint)" }
}
