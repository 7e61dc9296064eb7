"""A request's body on its way to the upstream: taken at the script's own speed, with how it ended."""

import asyncio
import threading

from .gone import ClientGone


class Upload:
    """Each protocol fills in `_take`."""

    def __init__(self):
        self.received = 0
        """Bytes that the script has taken."""
        self.trailers: dict[str, str] = {}
        self.is_whole = False
        """The other side ended the request in order."""
        self.whole_in_loop = asyncio.Event()
        self.over = threading.Event()
        """Set when the end was seen: in order, or broken off."""
        self._progress = threading.Condition()

    async def read(self) -> bytes:
        """The next bytes; none at the end in order. Raises ClientGone when the request is broken off."""
        if self.is_whole:
            return b""
        try:
            data = await self._take()
        except ClientGone:
            self.over.set()
            raise
        with self._progress:
            self.received += len(data)
            self._progress.notify_all()
        if not data:
            self.is_whole = True
            self.whole_in_loop.set()
            self.over.set()
        return data

    async def read_all(self) -> bytes:
        parts = []
        while data := await self.read():
            parts.append(data)
        return b"".join(parts)

    def until_received(self, count: int) -> None:
        """For the test's thread: until the script has taken so many bytes."""
        with self._progress:
            assert self._progress.wait_for(lambda: self.received >= count, 30), f"{self.received} of {count} bytes came"

    async def _take(self) -> bytes:
        raise NotImplementedError


class Http1Upload(Upload):
    def __init__(self, reader: asyncio.StreamReader, headers: dict[str, str]):
        super().__init__()
        self._reader = reader
        self._is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._left = 0 if self._is_chunked else int(headers.get("content-length", "0"))
        """Bytes of the body or of its current chunk."""

    async def _take(self):
        try:
            if self._left == 0 and self._is_chunked:
                await self._next_chunk()
            if self._left == 0:
                return b""
            data = await self._reader.read(min(self._left, 65536))
            if not data:
                raise ClientGone
            self._left -= len(data)
            if self._left == 0 and self._is_chunked:
                assert await self._reader.readexactly(2) == b"\r\n"
            return data
        except (asyncio.IncompleteReadError, OSError):
            raise ClientGone from None

    async def _next_chunk(self) -> None:
        self._left = int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16)
        if self._left > 0:
            return
        while (line := await self._reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers[name.lower()] = value.strip()


class Http2Upload(Upload):
    """Filled by its session, which opens the stream's window only as `credit` says."""

    def __init__(self, credit):
        super().__init__()
        self._credit = credit
        self._waiting: list[tuple[bytes, int]] = []
        self._is_ended = self._is_broken = False
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> bytes:
        """What has come and was not taken yet."""
        return b"".join(data for data, _ in self._waiting)

    def feed(self, data: bytes, window: int) -> None:
        self._waiting.append((data, window))
        self._changed.set()

    def end(self) -> None:
        self._is_ended = True
        self._changed.set()

    def break_off(self) -> None:
        """What was not taken by then is lost, as it is for a server that is told of a reset."""
        if self._is_ended:
            return
        self._is_broken = True
        self.over.set()
        self._changed.set()

    async def _take(self):
        while True:
            if self._is_broken:
                raise ClientGone
            if self._waiting:
                data, window = self._waiting.pop(0)
                await self._credit(window)
                if data:
                    return data
            elif self._is_ended:
                return b""
            else:
                self._changed.clear()
                await self._changed.wait()
