"""One request as the upstream saw it, and the means to answer it well or badly."""

import asyncio
import dataclasses
import json
import threading
from collections.abc import Awaitable, Callable

from .upload import Upload


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: list[tuple[str, str]]
    protocol: str
    body: bytes = b""
    """Empty for a script that takes the body itself."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def json(self):
        return json.loads(self.body)


class Exchange:
    """What a script works with. Each protocol fills in the underscored methods."""

    def __init__(self, request: Request, upload: Upload, connection: int):
        self.request = request
        self.upload = upload
        self.connection = connection
        """The other side's port: requests that came over one connection have the same."""
        self.sent = 0
        """Bytes of the answer's body that went out, or wait no further than in the kernel."""
        self.gone = threading.Event()
        """Set when the other side went away before the script had ended."""
        self.ended = threading.Event()
        """Set when the script is over, however it ended."""
        self.gone_in_loop = asyncio.Event()

    def note_gone(self) -> None:
        if not self.ended.is_set():
            self.gone.set()
            self.gone_in_loop.set()

    async def take_body(self) -> None:
        """Reads the body to its end, into the request."""
        body = await self.upload.read_all()
        self.request = dataclasses.replace(self.request, body=self.request.body + body)

    async def information(self, status: int, headers: dict[str, str] | None = None) -> None:
        """Sends a head of 1xx, which is not yet the answer."""
        raise NotImplementedError

    async def head(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        *,
        framing: str = "chunked",
        length: int | None = None,
    ) -> None:
        """Sends the head. Framing is `chunked`, `length` (with `length` bytes promised) or `close` on
        HTTP/1.1; HTTP/2 has one framing, and takes the promised length as a header."""
        raise NotImplementedError

    async def write(self, data: bytes) -> None:
        raise NotImplementedError

    async def end(self, trailers: dict[str, str] | None = None) -> None:
        """Ends the answer in good order. Trailers need HTTP/2 or the framing `chunked`."""
        raise NotImplementedError

    async def cut(self) -> None:
        """Breaks the answer off: a closed connection on HTTP/1.1, a reset stream on HTTP/2."""
        raise NotImplementedError

    async def close(self) -> None:
        """Closes the connection in order, whatever is owed on it."""
        raise NotImplementedError

    async def fall_silent(self) -> None:
        """Ends the connection as one end of TCP does, without TLS's word for it; HTTP/1.1 only."""
        raise NotImplementedError

    async def goaway(self, last_stream: int | None = None) -> None:
        """Says that the connection takes no more requests, and that those after `last_stream` were not looked at;
        without one, none is refused. HTTP/2 only."""
        raise NotImplementedError

    async def refuse(self) -> None:
        """Resets the stream as one that was not looked at; HTTP/2 only."""
        raise NotImplementedError

    async def open_wide(self) -> None:
        """Opens the windows of stream and connection wider than any body is long; HTTP/2 only."""
        raise NotImplementedError

    async def raw(self, data: bytes) -> None:
        """Bytes straight to the connection; HTTP/1.1 only."""
        raise NotImplementedError

    async def until_gone(self) -> None:
        """Waits for the other side to go away."""
        await self.gone_in_loop.wait()

    async def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """A whole answer with its length."""
        await self.head(
            status,
            {"content-type": "application/json", **(headers or {})},
            framing="length",
            length=len(body),
        )
        await self.write(body)
        await self.end()


Script = Callable[[Exchange], Awaitable[None]]


def at_head(script: Script) -> Script:
    """Starts the script with the request's head: it takes the body itself from `exchange.upload`, or leaves it."""
    script.starts_at_head = True
    return script
