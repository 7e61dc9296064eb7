"""Rows that ask what many edges cost the control plane, and how soon all of them hear of a change. All with as many keys
in force as the table says, and with changes going out in steps, as they do where nothing else is set."""

import asyncio
import contextlib
import statistics
import time

from .centre import Centre
from .delay import DelayedWay
from .following import SimulatedFleet, connected, end, fetch, with_everything
from .table import Table

ROUND_TRIP_SECONDS = 0.25
NEWCOMERS = 10
WINDOW_SECONDS = 5
STEADY_SECONDS = 15
QUIET_SECONDS = 5
# A revocation waits for none before it, so many of them are on their way at once.
REVOCATIONS_PER_SECOND = 8


async def snapshot(centre: Centre, options) -> Table:
    edges = await centre.edges(NEWCOMERS, centre.control_plane.grpc_address)
    begun = time.monotonic()

    async def timed(edge) -> float:
        await fetch(edge)
        return time.monotonic() - begun

    async with highest_resident(centre) as peak:
        times = await asyncio.gather(*(timed(edge) for edge in edges))
    table = Table(f"a full snapshot of {options.keys:,} keys, {NEWCOMERS} edges that ask at once")
    table.add("until the last has it", max(times), "s", most=20, of=times)
    table.add("control plane, highest resident", peak() / 1e9, "GB", most=1)
    return table


async def propagation(centre: Centre, options) -> Table:
    """A key made, and known everywhere; over a way of 250 ms, one trial after the other."""
    known = await with_everything(centre)
    async with DelayedWay(centre.control_plane.grpc_address, ROUND_TRIP_SECONDS / 2) as way:
        fleet = await SimulatedFleet.joined(centre, options.edges, way, known)
        async with fleet.following(revocations=False):
            await connected(centre, fleet)
            await fleet.make_key(centre)
            times = [(await fleet.make_key(centre))[1] for _ in range(options.trials)]
    table = Table(
        f"one key made → read by all of {options.edges} simulated edges, 250 ms round trip, in steps, "
        f"{options.trials:,} trials"
    )
    table.percentiles(times, "s", most=1)
    return table


async def revocation(centre: Centre, options) -> Table:
    """The same for keys revoked, while a newcomer is sent everything again and again."""
    known = await with_everything(centre)
    async with DelayedWay(centre.control_plane.grpc_address, ROUND_TRIP_SECONDS / 2) as way:
        fleet = await SimulatedFleet.joined(centre, options.edges, way, known)
        async with fleet.following():
            await connected(centre, fleet)
            keys = await asyncio.to_thread(centre.add_spare_keys, options.trials + 1)
            await fleet.make_key(centre)
            await fleet.revoke(centre, keys.pop())
            async with newcomers(centre) as served:
                times = await staggered(fleet, centre, keys)
    table = Table(
        f"one key revoked → heard by all of {options.edges} simulated edges, 250 ms round trip, beside full snapshots of "
        f"{options.keys:,} keys, {options.trials:,} trials"
    )
    table.percentiles(times, "s", most=1)
    table.add("full snapshots sent meanwhile", served(), "", digits=1)
    return table


async def staggered(fleet: SimulatedFleet, centre: Centre, keys: list[dict]) -> list[float]:
    begun = asyncio.get_running_loop().time()

    async def trial(number: int, key: dict) -> float:
        await asyncio.sleep(begun + number / REVOCATIONS_PER_SECOND - asyncio.get_running_loop().time())
        return await fleet.revoke(centre, key)

    return await asyncio.gather(*(trial(number, key) for number, key in enumerate(keys)))


@contextlib.asynccontextmanager
async def newcomers(centre: Centre):
    """One edge that has nothing after the other, while the block lasts; yields how many snapshots were sent."""
    edge = (await centre.edges(1, centre.control_plane.grpc_address))[0]
    count = 0

    async def ask():
        nonlocal count
        while True:
            await fetch(edge)
            count += 1

    task = asyncio.create_task(ask())
    try:
        yield lambda: count
    finally:
        await end(task)


async def crowd(centre: Centre, options) -> Table:
    """A fleet at rest, and all of it coming back at once after a change that it has missed."""
    known = await with_everything(centre)
    fleet = await SimulatedFleet.joined(centre, options.crowd, centre.control_plane.grpc_address, known)
    async with highest_resident(centre) as peak:
        async with fleet.following():
            await connected(centre, fleet)
            print(f"  {len(fleet):,} edges are connected", flush=True)
            await asyncio.sleep(QUIET_SECONDS)
            steady = await busiest_windows(centre, asyncio.sleep(STEADY_SECONDS))
        took, returning = await coming_back(centre, fleet)
    table = Table(f"{len(fleet):,} edges on one replica, all with {options.keys:,} keys")
    table.add("control plane, highest resident", peak() / 1e9, "GB", most=1)
    table.add("99 % in step after all come back at once", took, "s", most=60)
    usual = statistics.mean(steady)
    table.add("transactions a second, at rest", usual, "/s", of=steady, digits=0)
    table.add(
        f"the busiest {WINDOW_SECONDS} s of the return, over it", max(returning) / max(usual, 1), "×", most=2,
        of=[rate / max(usual, 1) for rate in returning],
    )
    return table


async def coming_back(centre: Centre, fleet: SimulatedFleet) -> tuple[float, list[float]]:
    """Seconds until 99 % of them are in step, and the database's load meanwhile."""
    while await asyncio.to_thread(centre.connected_edges):
        await asyncio.sleep(0.1)
    made = asyncio.create_task(fleet.make_key(centre, share=0.99))
    await asyncio.sleep(1)
    begun = time.monotonic()
    async with fleet.following():

        async def whole_return() -> float:
            await made
            took = time.monotonic() - begun
            await connected(centre, fleet)
            await asyncio.sleep(QUIET_SECONDS)
            return took

        task = asyncio.create_task(whole_return())
        rates = await busiest_windows(centre, task)
    return task.result(), rates


async def busiest_windows(centre: Centre, work) -> list[float]:
    """Transactions a second in every window of so many seconds while the work lasts."""
    work = asyncio.ensure_future(work)
    counts = [(time.monotonic(), await asyncio.to_thread(centre.committed))]
    while not work.done():
        await asyncio.sleep(1)
        counts.append((time.monotonic(), await asyncio.to_thread(centre.committed)))
    work.result()
    span = min(WINDOW_SECONDS, len(counts) - 1)
    return [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for earlier, later in zip(counts, counts[span:], strict=False)
    ]


@contextlib.asynccontextmanager
async def highest_resident(centre: Centre):
    """Yields what says the control plane's highest resident bytes of the block so far."""
    most = centre.resident_bytes

    async def watch():
        nonlocal most
        while True:
            most = max(most, centre.resident_bytes)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(watch())
    try:
        yield lambda: most
    finally:
        await end(task)
