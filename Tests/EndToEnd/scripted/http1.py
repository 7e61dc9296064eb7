"""The HTTP/1.1 side of the scripted upstream."""

import asyncio
import os
import socket

from .exchange import Exchange, Request
from .gone import ClientGone
from .upload import Http1Upload


class Http1Exchange(Exchange):
    def __init__(self, request: Request, upload: Http1Upload, writer: asyncio.StreamWriter):
        super().__init__(request, upload, writer.get_extra_info("peername")[1])
        self._writer = writer
        self._framing = None
        self.keep_alive = True

    async def information(self, status, headers=None):
        await self._head([f"HTTP/1.1 {status} Scripted", *_lines(headers)])

    async def head(self, status, headers=None, *, framing="chunked", length=None):
        self._framing = framing
        lines = [f"HTTP/1.1 {status} Scripted", *_lines(headers)]
        if framing == "chunked":
            lines.append("transfer-encoding: chunked")
        elif framing == "length":
            lines.append(f"content-length: {length}")
        else:
            lines.append("connection: close")
            self.keep_alive = False
        await self._head(lines)

    async def _head(self, lines):
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def write(self, data):
        count = len(data)
        if self._framing == "chunked":
            data = b"%x\r\n%s\r\n" % (count, data)
        await self.raw(data)
        self.sent += count

    async def end(self, trailers=None):
        if self._framing == "chunked":
            await self._head(["0", *_lines(trailers)])

    async def cut(self):
        self.keep_alive = False
        # A reset rather than an orderly close, as a crashed server gives.
        self._writer.transport.abort()

    async def close(self):
        self.keep_alive = False
        self._writer.close()

    async def fall_silent(self):
        self.keep_alive = False
        # Past TLS, which would say its close_notify.
        sock = self._writer.transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(sock.fileno())) as ours:
            ours.shutdown(socket.SHUT_WR)

    async def raw(self, data):
        if self.gone_in_loop.is_set():
            raise ClientGone
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError:
            raise ClientGone from None


def _lines(fields: dict[str, str] | None) -> list[str]:
    return [f"{name}: {value}" for name, value in (fields or {}).items()]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, run) -> None:
    """Answers the requests of one connection in turn. `run(exchange)` runs the current script."""
    try:
        while (request := await _read_head(reader)) is not None:
            upload = Http1Upload(reader, {name.lower(): value for name, value in request.headers})
            exchange = Http1Exchange(request, upload, writer)
            watcher = asyncio.create_task(_watch(reader, exchange))
            await run(exchange)
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            if exchange.gone_in_loop.is_set() or not exchange.keep_alive:
                break
            await upload.read_all()
    except (ClientGone, OSError):
        pass
    finally:
        writer.close()


async def _watch(reader: asyncio.StreamReader, exchange: Exchange) -> None:
    # A client of ours sends nothing between its request's end and the answer's, so anything read then is its end.
    await exchange.upload.whole_in_loop.wait()
    try:
        # StreamReader has no peek; its buffer may hold a pipelined request only after the answer.
        while not reader.at_eof():
            await reader._wait_for_data("watch")  # noqa: SLF001
    except (OSError, asyncio.CancelledError):
        if reader.exception() is None:
            return
    exchange.note_gone()


async def _read_head(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Request(method, path, headers, "http/1.1")
