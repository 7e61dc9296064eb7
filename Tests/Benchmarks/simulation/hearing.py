"""Which edges have heard of what, and when."""

import asyncio
import collections

PATIENCE_SECONDS = 120


class Hearing:
    def __init__(self):
        self._times: dict[bytes, dict[object, float]] = collections.defaultdict(dict)
        self._awaited: dict[bytes, tuple[int, asyncio.Future]] = {}

    def note(self, resource: bytes, edge, at: float) -> None:
        times = self._times[resource]
        times.setdefault(edge, at)
        count, future = self._awaited.get(resource, (0, None))
        if future and len(times) >= count and not future.done():
            future.set_result(None)

    async def by(self, count: int, resource: bytes) -> float:
        """The moment at which so many edges had heard of it; waits until they have."""
        if len(self._times[resource]) < count:
            future = asyncio.get_running_loop().create_future()
            self._awaited[resource] = count, future
            try:
                await asyncio.wait_for(future, PATIENCE_SECONDS)
            except TimeoutError:
                heard = len(self._times[resource])
                raise RuntimeError(f"{heard} of {count} edges heard of a change in {PATIENCE_SECONDS} s") from None
            finally:
                del self._awaited[resource]
        return sorted(self._times.pop(resource).values())[count - 1]
