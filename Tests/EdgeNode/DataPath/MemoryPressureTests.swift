import EdgeDataPath
import Testing

@Suite struct MemoryPressureTests {
  private func pressure() -> MemoryPressure {
    MemoryPressure(limitBytes: 1000, drainPercent: 92, refusePercent: 95, resetPercent: 98)
  }

  @Test func theLevelRisesWithTheUse() {
    var memory = pressure()
    #expect(memory.observe(usedBytes: 919) == .normal)
    #expect(memory.observe(usedBytes: 920) == .drainIdle)
    #expect(memory.observe(usedBytes: 949) == .drainIdle)
    #expect(memory.observe(usedBytes: 950) == .refuse)
    #expect(memory.observe(usedBytes: 980) == .resetLargest)
  }

  @Test func aJumpPassesLevels() {
    var memory = pressure()
    #expect(memory.observe(usedBytes: 5000) == .resetLargest)
    #expect(memory.observe(usedBytes: 10) == .normal)
  }

  @Test func aLevelIsLeftOnlyWellBelowWhereItBegan() {
    var memory = pressure()
    #expect(memory.observe(usedBytes: 980) == .resetLargest)
    // Two percent below 98 is 960.
    #expect(memory.observe(usedBytes: 960) == .resetLargest)
    #expect(memory.observe(usedBytes: 959) == .refuse)
    #expect(memory.observe(usedBytes: 930) == .refuse)
    #expect(memory.observe(usedBytes: 929) == .drainIdle)
    #expect(memory.observe(usedBytes: 900) == .drainIdle)
    #expect(memory.observe(usedBytes: 899) == .normal)
    // The margin counts for levels that were reached, not for those above.
    #expect(memory.observe(usedBytes: 910) == .normal)
  }

  @Test func theExcessIsWhatMustGoBeforeRequestsAreTakenAgain() {
    let memory = pressure()
    #expect(memory.excess(usedBytes: 990) == 60)
    #expect(memory.excess(usedBytes: 930) == 0)
    #expect(memory.excess(usedBytes: 10) == 0)
  }
}

@Suite struct MemoryLimitTests {
  private func limit(_ files: [String: String]) -> Int {
    MemoryLimit.bytes(machineBytes: 8000) { files[$0] }
  }

  @Test func withoutGroupsTheMachineIsTheLimit() {
    #expect(limit([:]) == 8000)
    #expect(limit(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n"]) == 8000)
  }

  @Test func theLowestGroupAboveCounts() {
    let files = [
      "/proc/self/cgroup": "0::/system.slice/edge.service\n",
      "/sys/fs/cgroup/system.slice/edge.service/memory.max": "6000\n",
      "/sys/fs/cgroup/system.slice/memory.max": "5000\n",
      "/sys/fs/cgroup/memory.max": "7000\n",
    ]
    #expect(limit(files) == 5000)
  }

  @Test func theOlderKindOfGroupIsRead() {
    let files = [
      "/proc/self/cgroup": "11:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n",
      // The process sees its own group at the top.
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "4096\n",
    ]
    #expect(limit(files) == 4096)
  }

  @Test func aLimitAboveTheMachineIsNone() {
    let files = ["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "9223372036854771712\n"]
    #expect(limit(files) == 8000)
  }
}
