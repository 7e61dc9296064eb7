"""Well-behaved clients of an edge, in peace and beside attackers, and what the edge spends meanwhile."""

import contextlib
import dataclasses
import itertools
import subprocess
import sys
import time

from rows.row import STRAIT

from . import account
from .attackers import Attackers
from .stage import LOAD_CORE, Stage

ATTACKERS = 100
VICTIMS, VICTIM_ADDRESSES, RATE = 200, 10, 1_000
SETTLING_SECONDS = 1
"""Until attackers have used up what may come at once, and until what they leave behind has ended."""

BURNER = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
"""Takes what is left of the clients' core, as attackers do, and leaves the edge alone."""

AT_THE_DOOR = {"too_many_connections", "address_connections", "address_rate", "address_offences"}
"""Refusals of connections that were never let in."""


@dataclasses.dataclass(frozen=True)
class Window:
    """One run of the well-behaved clients."""

    p99: float
    """Milliseconds."""
    core: float
    """CPU time of all the edge's threads over the time of the run."""
    edge_waited: float
    """The time that these wanted to run and did not, over the time of the run: another's use of the edge's core."""
    load_waited: float
    """The same of the clients."""
    longest_turn: float
    """Milliseconds: of the edge's loop, within its last ten seconds."""
    attackers: float
    """CPU time of the attackers over the time of the run."""
    accepted: float
    """Connections a second that the edge let in beside those of the well-behaved clients."""
    turned_away: float
    """Connections a second that it refused at the door."""
    reason: str
    """What the edge ended most connections or streams for."""

    def __str__(self) -> str:
        return (
            f"longest turn {self.longest_turn:.1f} ms, edge {self.core:.1%} (waited {self.edge_waited:.1%}), load waited {self.load_waited:.1%}, "
            f"attackers {self.attackers:.0%}, {self.accepted:.0f} attacks/s, {self.turned_away:.0f} turned away/s, "
            f"{self.reason}"
        )


class Siege:
    def __init__(self, stage: Stage, runs: int, seconds: float):
        self._stage, self._runs, self._seconds = stage, runs, seconds
        self._target = stage.target(STRAIT)
        # An edge remembers addresses: each attack comes from one that has done nothing yet.
        self._sources = (f"127.0.{3 + number // 250}.{1 + number % 250}" for number in itertools.count())

    def alone(self) -> list[Window]:
        return [self._window() for _ in range(self._runs)]

    def peace(self) -> list[Window]:
        """Without an attack, and with as little left of the clients' core as attackers leave: what differs then is what
        they do to the edge."""
        with _burning(LOAD_CORE):
            time.sleep(SETTLING_SECONDS)
            return self.alone()

    def beside(self, attack: tuple[str, str]) -> list[Window]:
        """`attack`: its group, and its number there or `all`."""
        edge, address = self._stage.edge, self._target.url.split("/")[2]
        source = next(self._sources)
        with Attackers(LOAD_CORE, address, edge.fleet.ca_file, edge.key, attack, ATTACKERS, source) as attackers:
            time.sleep(SETTLING_SECONDS)
            windows = [self._window(attackers) for _ in range(self._runs)]
        time.sleep(SETTLING_SECONDS)
        return windows

    def survives(self) -> bool:
        """Whether the edge still runs. Otherwise it is started again."""
        runs = self._stage.edge.is_running
        if not runs:
            self._stage.edge.restart()
        return runs

    def _window(self, attackers: Attackers | None = None) -> Window:
        stage, pid = self._stage, self._stage.edge.pid
        spent = attackers.cpu_nanoseconds if attackers else 0
        counts, cpu, waited = stage.edge.metrics(), account.cpu_nanoseconds(pid), account.waiting_nanoseconds(pid)
        began = time.monotonic()
        result = stage.load.client(
            "paced",
            self._target,
            connections=VICTIMS,
            sources=VICTIM_ADDRESSES,
            rate=RATE,
            requests=int(RATE * self._seconds),
        )
        seconds = time.monotonic() - began
        cpu, waited = account.cpu_nanoseconds(pid) - cpu, account.waiting_nanoseconds(pid) - waited
        spent = attackers.cpu_nanoseconds - spent if attackers else 0
        stage.require(STRAIT, result["failed"] == 0, result)
        after = stage.edge.metrics()
        counts = {name: value - counts.get(name, 0) for name, value in after.items()}
        return Window(
            p99=result["p99_us"] / 1000,
            core=cpu / 1e9 / seconds,
            edge_waited=waited / 1e9 / seconds,
            load_waited=result["waited_us"] / 1e6 / seconds,
            longest_turn=1000 * after["strait_edge_loop_turn_longest_seconds"],
            attackers=spent / 1e9 / seconds,
            accepted=(counts["strait_edge_connections_accepted_total"] - VICTIMS) / seconds,
            turned_away=counts["strait_edge_connections_refused_total"] / seconds,
            reason=_most_frequent(counts),
        )


@contextlib.contextmanager
def _burning(core: int):
    process = subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", BURNER])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _most_frequent(counts: dict[str, float]) -> str:
    prefix, suffix = 'strait_edge_refusals_total{reason="', '"}'
    reasons = {
        name.removeprefix(prefix).removesuffix(suffix): count
        for name, count in counts.items()
        if name.startswith(prefix) and count > 0
    }
    return max(reasons.keys() - AT_THE_DOOR, key=reasons.get, default="")
