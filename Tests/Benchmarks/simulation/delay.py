"""A way between two places: everything takes so long in each direction, and nothing is lost."""

import asyncio
import contextlib

CHUNK = 64 * 1024


class DelayedWay:
    """A listener on loopback that passes bytes on to `target`, `seconds` later."""

    def __init__(self, target: str, seconds: float):
        host, _, port = target.rpartition(":")
        self._target, self._seconds = (host, int(port)), seconds
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=2048)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there_reader, there_writer = await asyncio.open_connection(*self._target)
            await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))
        self._tasks.discard(asyncio.current_task())

    async def _pass(self, reader, writer) -> None:
        """In order: bytes wait in a queue with the time at which they are due."""
        queue: asyncio.Queue = asyncio.Queue(maxsize=1024)
        sending = asyncio.create_task(self._send(queue, writer))
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(CHUNK):
                await queue.put((loop.time() + self._seconds, data))
            await queue.put((loop.time() + self._seconds, b""))
            await sending
        finally:
            sending.cancel()
            writer.close()

    async def _send(self, queue, writer) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                return
            writer.write(data)
            await writer.drain()
