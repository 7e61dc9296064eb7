"""One attack on a running edge while well-behaved streams run beside it, and what is to be seen from outside."""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
import threading
import urllib.request

from devfleet.processes import wait_until

from .connection import NoHandshake, Target
from .victims import Release, Victims, numbered_chunks

VICTIMS = 200
CHUNKS_AFTER_ATTACK = 2
# Under a sanitizer everything is larger, and what was freed is kept for a while.
MEMORY_LIMIT_BYTES = (64 << 20) * int(os.environ.get("STRAIT_MEMORY_ALLOWANCE", "1"))
SAMPLE_SECONDS = 0.02


@dataclasses.dataclass
class Outcome:
    """What became of one attacking connection."""

    cut: bool
    """The edge has ended the connection."""
    tolerated: bool = True
    """What the limit allows was let pass."""
    goaway: int | None = None
    """The code of the edge's GOAWAY."""
    sent: int = 0
    """Hostile pieces sent until the cut was seen."""
    words: str = ""
    met: bool = True
    """The edge took the connection at all."""


class Memory:
    """Follows a process's resident memory."""

    def __init__(self, pid: int):
        self._status = pathlib.Path(f"/proc/{pid}/status")
        self._stop = threading.Event()
        self.start = self.most = self.now()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def now(self) -> int:
        return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", self._status.read_text())[1])

    def _follow(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            try:
                self.most = max(self.most, self.now())
            except (OSError, TypeError):
                return

    @property
    def growth(self) -> int:
        return self.most - self.start

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def refusals(edge) -> dict[str, int]:
    """The edge's refusals by reason."""
    with urllib.request.urlopen(f"{edge.admin_url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = re.findall(r'strait_edge_refusals_total\{reason="(\w+)"\} (\d+)', text)
    return {reason: int(count) for reason, count in found}


@dataclasses.dataclass
class Report:
    outcomes: list[Outcome]
    refused: dict[str, int]
    """Refusals during the attack, by reason."""
    growth_bytes: int
    victim_faults: list[str]
    edge_lives: bool

    def refused_for(self, *reasons: str) -> int:
        return sum(self.refused.get(reason, 0) for reason in reasons)

    def __str__(self):
        cut = sum(outcome.cut for outcome in self.outcomes)
        codes = sorted({str(outcome.goaway) for outcome in self.outcomes})
        return (
            f"{cut} of {len(self.outcomes)} cut, goaway codes {','.join(codes)}, refused {self.refused}, "
            f"memory +{self.growth_bytes / 1e6:.1f} MB, {len(self.victim_faults)} victims hurt"
        )


def sources(count: int) -> list[str]:
    """An address for each attacker, so that limits by address do not hide the attack."""
    return [f"127.0.1.{1 + number % 250}" for number in range(count)]


def besiege(world, region: str, target: Target, attack, connections: int) -> Report:
    """Runs `attack(target, source)` on so many connections at once."""
    edge, release = world.edge(region), Release()
    pid = edge.child.pid
    world.scripted.exchanges.clear()
    world.scripted.script = _victims_or_not(numbered_chunks(release), world.scripted.script)
    victims = Victims(target, VICTIMS, release)
    victims.start()
    memory = None
    try:
        wait_until(lambda: victims.running == VICTIMS or not victims.alive, "the victims' streams run")
        before, memory = refusals(edge), Memory(pid)
        with concurrent.futures.ThreadPoolExecutor(connections) as pool:
            outcomes = list(pool.map(lambda source: _attack(attack, target, source), sources(connections)))
        seen = victims.fewest_chunks
        wait_until(
            lambda: victims.fewest_chunks >= seen + CHUNKS_AFTER_ATTACK or not victims.alive,
            "the victims' streams go on",
        )
        after = refusals(edge)
    finally:
        faults = victims.finish()
        if memory:
            memory.end()
    refused = {reason: count - before.get(reason, 0) for reason, count in after.items()}
    return Report(
        outcomes,
        {reason: count for reason, count in refused.items() if count},
        memory.growth,
        faults,
        edge.child.running and edge.child.pid == pid,
    )


def _attack(attack, target: Target, source: str) -> Outcome:
    try:
        return attack(target, source)
    except NoHandshake as error:
        return Outcome(cut=False, tolerated=False, words=str(error), met=False)


def _victims_or_not(for_victims, otherwise):
    async def script(exchange):
        if b'"victim"' in exchange.request.body:
            await for_victims(exchange)
        else:
            await otherwise(exchange)

    return script
