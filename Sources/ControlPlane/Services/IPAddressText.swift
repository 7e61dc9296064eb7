// IP addresses in text form, as the C library reads them.

import Glibc

/// - Returns: 4 or 16 bytes in network order; nothing for what is not an address
package func addressBytes(_ text: String) -> [UInt8]? {
  var four = in_addr()
  if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
  var six = in6_addr()
  if inet_pton(AF_INET6, text, &six) == 1 { return withUnsafeBytes(of: six) { Array($0) } }
  return nil
}
