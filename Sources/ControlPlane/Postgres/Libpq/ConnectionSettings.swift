// Reads a connection URL with libpq's own parser.

import CLibpq

/// - Throws: `PostgresError` of kind `configuration`; libpq's own words are not passed on, since they quote the part of
///   the URL that it stumbled over, and that may be the password
func parseConnectionSettings(_ url: String) throws -> [ConnectionSetting] {
  let unreadable = PostgresError(
    .configuration,
    "cannot read the database url; write it as postgresql://user:password@host:port/database with reserved "
      + "characters percent-encoded")
  guard let options = PQconninfoParse(url, nil) else { throw unreadable }
  defer { PQconninfoFree(options) }
  var settings: [ConnectionSetting] = []
  var option = options
  while let keyword = option.pointee.keyword {
    if let value = option.pointee.val {
      settings.append(ConnectionSetting(keyword: String(cString: keyword), value: String(cString: value)))
    }
    option += 1
  }
  // libpq would read on, and quote later as a port what may be a part of the password.
  let ports = settings.filter { $0.keyword == "port" }.flatMap(\.items)
  guard ports.allSatisfy({ $0.isEmpty || UInt16($0) != nil }) else { throw unreadable }
  return settings
}
