"""Many simulated edges that follow one control plane, and what operators do meanwhile."""

import asyncio
import contextlib
import uuid

from .centre import Centre
from .edges import SimulatedEdge
from .hearing import Hearing

PATIENCE_SECONDS = 300


async def with_everything(centre: Centre) -> SimulatedEdge:
    """An edge that has fetched the whole configuration."""
    edge = (await centre.edges(1, centre.control_plane.grpc_address))[0]
    await fetch(edge)
    return edge


async def fetch(edge: SimulatedEdge) -> None:
    """The whole configuration, whatever the edge had, over a connection of its own."""
    edge.lineage, edge.version = b"", 0
    edge.in_step.clear()
    task = asyncio.create_task(edge.follow(revocations=False))
    try:
        await asyncio.wait_for(edge.in_step.wait(), PATIENCE_SECONDS)
    finally:
        await end(task)


async def end(*tasks: asyncio.Task) -> None:
    """Cancels them until they have ended: a stream that breaks at that very moment hides that it was cancelled."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)


class SimulatedFleet:
    """Edges that have everything already, as edges have that are not new."""

    def __init__(self, edges: list[SimulatedEdge], known: SimulatedEdge):
        self.edges = edges
        self.keys, self.revocations = Hearing(), Hearing()
        for edge in edges:
            edge.keys, edge.revocations = self.keys, self.revocations
            edge.holds_what(known)

    @classmethod
    async def joined(cls, centre: Centre, count: int, link: str, known: SimulatedEdge) -> "SimulatedFleet":
        return cls(await centre.edges(count, link), known)

    def __len__(self) -> int:
        return len(self.edges)

    @contextlib.asynccontextmanager
    async def following(self, **options):
        tasks = [asyncio.create_task(edge.follow(**options)) for edge in self.edges]
        try:
            yield
            for task in tasks:
                # One that has ended has failed: edges follow until they are told not to.
                if task.done():
                    task.result()
        finally:
            await end(*tasks)

    async def make_key(self, centre: Centre, share=1.0) -> tuple[dict, float]:
        """A new key, and the seconds until so many edges have it."""
        begun = asyncio.get_running_loop().time()
        made = (await asyncio.to_thread(centre.operator.create_key))["summary"]
        heard = await self.keys.by(round(share * len(self)), uuid.UUID(made["id"]).bytes)
        return made, heard - begun

    async def revoke(self, centre: Centre, key: dict) -> float:
        """Seconds until all edges have heard, on the lane for it, that the key is gone."""
        begun = asyncio.get_running_loop().time()
        await asyncio.to_thread(centre.operator.revoke_key, key["public_id"])
        return await self.revocations.by(len(self), uuid.UUID(key["id"]).bytes) - begun


async def connected(centre: Centre, fleet: SimulatedFleet) -> None:
    """Until the control plane counts all of them."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await asyncio.to_thread(centre.connected_edges)) < len(fleet):
            await asyncio.sleep(0.2)
