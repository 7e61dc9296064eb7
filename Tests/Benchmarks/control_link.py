"""What the control link does with many edges: how soon a change is everywhere, what a newcomer's snapshot and a whole
fleet that comes back cost. The control plane and its database are the real ones; the edges are simulated.

usage: control_link.py [--rows NAME,...] [--edges N] [--trials N] [--crowd N] [--keys N] [--write]
"""

import argparse
import asyncio
import contextlib
import math
import pathlib
import sys
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "infra"))

import report  # noqa: E402
from simulation.centre import Centre  # noqa: E402
from simulation.delay import DelayedWay  # noqa: E402

ROUND_TRIP_SECONDS = 0.25
NEWCOMERS = 10
TEAMS = 10_000
QUIET_SECONDS = 10
WINDOW_SECONDS = 5
HEAD = ["| work | figure | seen | to reach | reached |", "|---|---|--:|--:|---|"]


class Table:
    def __init__(self):
        self.lines = list(HEAD)

    def add(self, work: str, figure: str, seen: float, unit: str, most: float | None = None) -> None:
        goal = "" if most is None else f"≤ {most:g} {unit}"
        reached = "" if most is None else ("yes" if seen <= most else "**no**")
        self.lines.append(f"| {work} | {figure} | {seen:,.2f} {unit} | {goal} | {reached} |")
        print(self.lines[-1], flush=True)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


@contextlib.asynccontextmanager
async def following(edges, **options):
    """The edges' streams, for as long as the block lasts; it begins when all of them are in step."""
    tasks = [asyncio.create_task(edge.follow(**options)) for edge in edges]
    try:
        await until_in_step(edges, tasks)
        yield
        ended = [task for task in tasks if task.done()]
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_in_step(edges, tasks=()) -> None:
    waiting = asyncio.gather(*(edge.in_step.wait() for edge in edges))
    done, _ = await asyncio.wait([waiting, *tasks], timeout=300, return_when=asyncio.FIRST_COMPLETED)
    if waiting not in done:
        waiting.cancel()
        for task in done:
            task.result()
        raise RuntimeError(f"{sum(not edge.in_step.is_set() for edge in edges)} edges are not in step")


async def seen_everywhere(edges, kind: str, resource: bytes, since: float) -> float:
    """Seconds from `since` until the last edge had it."""
    while not all(resource in getattr(edge, kind) for edge in edges):
        if time.monotonic() - since > 120:
            missing = sum(resource not in getattr(edge, kind) for edge in edges)
            raise RuntimeError(f"{missing} of {len(edges)} edges have not heard of it")
        await asyncio.sleep(0.002)
    return max(getattr(edge, kind)[resource] for edge in edges) - since


# MARK: rows


async def propagation(centre: Centre, table: Table, options) -> None:
    """A key made, and enforced everywhere; over a way of 250 ms, one trial after the other."""
    async with DelayedWay(centre.control_plane.grpc_address, ROUND_TRIP_SECONDS / 2) as way:
        edges = await centre.edges(options.edges, way)
        async with following(edges, revocations=False):
            times = [await one_key(centre, edges) for _ in range(options.trials)]
    work = f"one key made → known to all of {options.edges} edges, 250 ms round trip, {options.trials:,} trials"
    table.add(work, "p50", percentile(times, 0.5), "s")
    table.add("", "p99", percentile(times, 0.99), "s", 1)


async def one_key(centre: Centre, edges) -> float:
    begun = time.monotonic()
    made = await asyncio.to_thread(centre.operator.create_key)
    return await seen_everywhere(edges, "keys_seen", uuid.UUID(made["summary"]["id"]).bytes, begun)


async def revocation(centre: Centre, table: Table, options) -> None:
    """The same for keys revoked, while one newcomer after the other is sent everything."""
    async with DelayedWay(centre.control_plane.grpc_address, ROUND_TRIP_SECONDS / 2) as way:
        edges = await centre.edges(options.edges, way)
        newcomer = (await centre.edges(1, centre.control_plane.grpc_address))[0]
        async with following(edges):
            keys = [(await asyncio.to_thread(centre.operator.create_key))["summary"] for _ in range(options.trials)]
            await seen_everywhere(edges, "keys_seen", uuid.UUID(keys[-1]["id"]).bytes, time.monotonic())
            asking = asyncio.create_task(ask_for_everything(newcomer))
            try:
                times = [await one_revocation(centre, edges, key) for key in keys]
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
    work = f"one key revoked → all of {options.edges} edges, the same way, beside full snapshots of {options.keys:,} keys"
    table.add(work, "p50", percentile(times, 0.5), "s")
    table.add("", "p99", percentile(times, 0.99), "s", 1)


async def one_revocation(centre: Centre, edges, key: dict) -> float:
    begun = time.monotonic()
    await asyncio.to_thread(centre.operator.revoke_key, key["public_id"])
    return await seen_everywhere(edges, "revocations_seen", uuid.UUID(key["id"]).bytes, begun)


async def ask_for_everything(edge) -> None:
    while True:
        edge.lineage, edge.version = b"", 0
        edge.in_step.clear()
        task = asyncio.create_task(edge.follow(again=False, revocations=False))
        await edge.in_step.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def snapshot(centre: Centre, table: Table, options) -> None:
    """Everything, for ten edges that ask at once."""
    edges = await centre.edges(NEWCOMERS, centre.control_plane.grpc_address)
    watch = asyncio.create_task(highest(centre))
    begun = time.monotonic()
    async with following(edges, revocations=False):
        took = time.monotonic() - begun
    watch.cancel()
    peak = (await asyncio.gather(watch, return_exceptions=True))[0]
    work = f"a full snapshot of {options.keys:,} keys for {NEWCOMERS} edges at once"
    table.add(work, "until the last has it", took, "s", 20)
    table.add("", "control plane, highest resident", peak / 1e9, "GB", 1)


async def highest(centre: Centre) -> int:
    most = 0
    try:
        while True:
            most = max(most, centre.resident_bytes)
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return most


async def crowd(centre: Centre, table: Table, options) -> None:
    """A fleet at rest, and all of it coming back at once after a change that it has missed."""
    edges = await centre.edges(options.crowd, centre.control_plane.grpc_address)
    async with following(edges):
        steady = await commits_per_second(centre)
        resident = centre.resident_bytes
    made = await asyncio.to_thread(centre.operator.create_key)
    key = uuid.UUID(made["summary"]["id"]).bytes
    for edge in edges:
        edge.in_step.clear()
    tasks = [asyncio.create_task(edge.follow()) for edge in edges]
    begun = time.monotonic()
    counting = asyncio.create_task(busiest_window(centre))
    while sum(key in edge.keys_seen for edge in edges) < 0.99 * len(edges):
        if time.monotonic() - begun > 300:
            raise RuntimeError("the fleet does not come back")
        await asyncio.sleep(0.05)
    took = time.monotonic() - begun
    # What the database is still busy with counts too, and its statistics come a second late.
    await asyncio.sleep(QUIET_SECONDS)
    counting.cancel()
    peak = (await asyncio.gather(counting, return_exceptions=True))[0]
    resident = max(resident, centre.resident_bytes)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    work = f"{len(edges):,} edges on one replica"
    table.add(work, "control plane, highest resident", resident / 1e9, "GB", 1)
    table.add("", "99 % in step after all come back at once", took, "s", 60)
    table.add("", "transactions a second, at rest", steady, "/s")
    table.add("", f"the busiest {WINDOW_SECONDS} seconds of the return, over it", peak / max(steady, 1), "×", 2)


async def busiest_window(centre: Centre) -> float:
    """Transactions a second in the busiest window, until it is cancelled."""
    counts = [await asyncio.to_thread(centre.committed)]
    try:
        while True:
            await asyncio.sleep(1)
            counts.append(await asyncio.to_thread(centre.committed))
    except asyncio.CancelledError:
        span = min(WINDOW_SECONDS, len(counts) - 1)
        return max((later - earlier) / span for earlier, later in zip(counts, counts[span:], strict=False))


async def commits_per_second(centre: Centre) -> float:
    before = await asyncio.to_thread(centre.committed)
    await asyncio.sleep(QUIET_SECONDS)
    return (await asyncio.to_thread(centre.committed) - before) / QUIET_SECONDS


ROWS = {"propagation": propagation, "crowd": crowd, "snapshot": snapshot, "revocation": revocation}
WITH_MANY_KEYS = {"snapshot", "revocation"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default=",".join(ROWS), help="some rows, by name and comma")
    parser.add_argument("--edges", type=int, default=100, help="that a change goes to")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--crowd", type=int, default=1000, help="edges on one replica")
    parser.add_argument("--keys", type=int, default=1_000_000, help="of a full snapshot")
    parser.add_argument("--write", action="store_true", help="put the table into README.md beside this file")
    options = parser.parse_args()
    table = Table()
    print("\n".join(HEAD))
    with Centre() as centre:
        asyncio.run(measure(centre, table, options))
    if options.write:
        facts = f"{report.today()}, `control_link.py --edges {options.edges} --trials {options.trials} --crowd {options.crowd} --keys {options.keys}`."
        report.replace_section(HERE / "README.md", "control-link", [facts, "", *table.lines])
    return 0


async def measure(centre: Centre, table: Table, options) -> None:
    filled = False
    for name in options.rows.split(","):
        if name in WITH_MANY_KEYS and not filled:
            await asyncio.to_thread(centre.add_keys, options.keys, TEAMS)
            filled = True
        await ROWS[name](centre, table, options)


if __name__ == "__main__":
    sys.exit(main())
