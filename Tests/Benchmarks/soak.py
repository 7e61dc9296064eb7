"""Mixed traffic against a real fleet for a chosen time, and whether the edge's memory and descriptors drift.

In each round all kinds of traffic run at once: whole answers and streams over HTTP/2 and HTTP/1.1, new and resumed
connections, clients that leave, upstreams that break off, large answers, and a reload. After it, when the clients
have gone, memory and descriptors are read: at rest they must be what they were. The medians of the second and the
last fifth of the rounds are compared; the exit status says whether they agree.

usage: soak.py [SECONDS]
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import signal
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "infra"))

from devfleet.workplace import FleetError  # noqa: E402
from rig import account  # noqa: E402
from rig.soaking import TRAFFIC  # noqa: E402
from rig.stage import Stage  # noqa: E402

DEFAULT_SECONDS = 600
MEMORY_SLACK_BYTES, MEMORY_SLACK_SHARE = 4 << 20, 0.05
DESCRIPTOR_SLACK = 16
REST_SECONDS = 0.5
FEWEST_ROUNDS = 10


@dataclasses.dataclass(frozen=True)
class Sample:
    seconds: float
    resident_bytes: int
    descriptors: int


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_SECONDS
    with Stage(keeps_control_plane=True) as stage:
        pid = stage.subject(stage.edge.name).pid
        samples = soak(stage, pid, seconds)
        if not stage.edge.is_running:
            raise FleetError("the edge ended during the soak")
    return verdict(samples)


def soak(stage: Stage, pid: int, seconds: float) -> list[Sample]:
    """Rounds until the time is over, and a sample after each."""
    samples, began = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(TRAFFIC) + 1) as pool:
        while (elapsed := time.monotonic() - began) < seconds or len(samples) < FEWEST_ROUNDS:
            running = [pool.submit(kind, stage) for kind in TRAFFIC]
            running.append(pool.submit(reload, pid))
            for future in running:
                future.result()
            time.sleep(REST_SECONDS)
            samples.append(Sample(elapsed, account.resident_bytes(pid), account.descriptors(pid)))
            show(len(samples), samples[-1])
    return samples


def reload(pid: int) -> None:
    """In the middle of the round's traffic: the edge reads its certificates again."""
    time.sleep(REST_SECONDS)
    os.kill(pid, signal.SIGHUP)


def show(number: int, sample: Sample) -> None:
    print(
        f"  round {number:4d} at {sample.seconds:6.0f} s: {sample.resident_bytes / 1e6:7.1f} MB resident, "
        f"{sample.descriptors} descriptors",
        flush=True,
    )


def verdict(samples: list[Sample]) -> int:
    early, late = fifth(samples, 2), fifth(samples, 5)
    memory = [statistics.median(sample.resident_bytes for sample in part) for part in (early, late)]
    descriptors = [statistics.median(sample.descriptors for sample in part) for part in (early, late)]
    allowed = memory[0] + max(MEMORY_SLACK_BYTES, MEMORY_SLACK_SHARE * memory[0])
    drifts = {
        "memory": memory[1] > allowed,
        "descriptors": descriptors[1] > descriptors[0] + DESCRIPTOR_SLACK,
    }
    print(
        f"{len(samples)} rounds; medians of their second and last fifth: {memory[0] / 1e6:.1f} and "
        f"{memory[1] / 1e6:.1f} MB resident, {descriptors[0]:.0f} and {descriptors[1]:.0f} descriptors"
    )
    drifting = [name for name, drifts_ in drifts.items() if drifts_]
    print(f"drifts: {', '.join(drifting)}" if drifting else "nothing drifts")
    return 1 if drifting else 0


def fifth(samples: list[Sample], number: int) -> list[Sample]:
    size = len(samples) / 5
    return samples[int((number - 1) * size) : int(number * size)]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FleetError as error:
        sys.exit(f"the soak stopped: {error}")
