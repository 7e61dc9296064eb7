"""One run of h2load, and the CPU time that the proxy spent on it."""

import dataclasses
import pathlib
import re
import subprocess

from devfleet.workplace import FleetError


@dataclasses.dataclass(frozen=True)
class Load:
    connections: int
    streams: int

    @property
    def name(self) -> str:
        return f"{self.connections} × {self.streams}"


LOADS = [Load(50, 20), Load(100, 1)]


@dataclasses.dataclass(frozen=True)
class Measurement:
    microseconds: float
    """CPU of the proxy for one request, all its threads and children together."""
    per_second: float
    cipher: str

    def __str__(self) -> str:
        return f"{self.microseconds:7.2f} µs a request, {self.per_second:8.0f} requests a second"


def measure(load: Load, base_url, pid, key, requests, body: pathlib.Path, core: int) -> Measurement:
    before = cpu_nanoseconds(pid)
    output = run_h2load(load, base_url, key, requests, body, core)
    spent = cpu_nanoseconds(pid) - before
    check_all_succeeded(output, requests)
    return Measurement(spent / 1000 / requests, rate(output), cipher(output))


def run_h2load(load: Load, base_url, key, requests, body, core) -> str:
    command = [
        *("taskset", "-c", str(core), "h2load", "-n", str(requests), "-c", str(load.connections)),
        *("-m", str(load.streams), "-t", "1", "-d", str(body)),
        *("-H", "content-type: application/json", "-H", f"authorization: Bearer {key}"),
        f"{base_url}/chat/completions",
    ]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise FleetError(f"h2load failed: {result.stderr.strip()}")
    return result.stdout


def check_all_succeeded(output: str, requests: int) -> None:
    """A proxy that refuses is fast: a run counts only when every request got its 2xx and all of its bytes."""
    statuses = re.search(r"status codes: (\d+) 2xx", output)
    total = re.search(r"traffic: .*?, .*?\) data", output)
    if not statuses or int(statuses[1]) != requests or not total:
        raise FleetError("not every request succeeded:\n" + "\n".join(output.splitlines()[-8:]))


def rate(output: str) -> float:
    return float(re.search(r"finished in .*?, ([\d.]+) req/s", output)[1])


def cipher(output: str) -> str:
    protocol, name = (re.search(rf"{what}: (\S+)", output) for what in ("TLS Protocol", "Cipher"))
    return f"{protocol[1]} {name[1]}" if protocol and name else "unknown"


def cpu_nanoseconds(pid: int) -> int:
    """CPU time of a process, its threads and its children, from the scheduler's own account."""
    threads = pathlib.Path(f"/proc/{pid}/task")
    total = 0
    for thread in threads.iterdir():
        total += int((thread / "schedstat").read_text().split()[0])
        for child in (thread / "children").read_text().split():
            total += cpu_nanoseconds(int(child))
    return total
