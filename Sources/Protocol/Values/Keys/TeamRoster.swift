// Teams as a key table names them: by a small number in place of sixteen bytes, with the count of each one's keys.

package struct TeamRoster: Sendable {
  private var numbers: [TeamID: UInt32] = [:]
  private var ids = ContiguousArray<TeamID>()
  private var counts = ContiguousArray<UInt32>()
  private var free: [UInt32] = []

  /// One more than the largest number in use.
  package var span: Int { ids.count }

  /// The team of a number that an entry of the same set has.
  package subscript(number: UInt32) -> TeamID { ids[Int(number)] }

  package func keyCount(of team: TeamID) -> Int {
    numbers[team].map { Int(counts[Int($0)]) } ?? 0
  }

  /// Every team that has keys.
  package var teams: some Sequence<TeamID> { numbers.keys }

  mutating func addKey(of team: TeamID) -> UInt32 {
    if let number = numbers[team] {
      counts[Int(number)] += 1
      return number
    }
    let number = free.popLast() ?? UInt32(ids.count)
    if Int(number) == ids.count {
      ids.append(team)
      counts.append(1)
    } else {
      ids[Int(number)] = team
      counts[Int(number)] = 1
    }
    numbers[team] = number
    return number
  }

  /// A team without keys gives its number back. A table made before keeps a roster of its own.
  mutating func removeKey(of number: UInt32) {
    let index = Int(number)
    counts[index] -= 1
    guard counts[index] == 0 else { return }
    numbers[ids[index]] = nil
    ids[index] = .none
    free.append(number)
  }
}
