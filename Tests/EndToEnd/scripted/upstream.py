"""The server: an event loop in a thread, listening once for each way of speaking."""

import asyncio
import contextlib
import pathlib
import socket
import ssl
import threading
from collections.abc import Callable

from . import http1, http2, scripts
from .exchange import Exchange, Script
from .gone import ClientGone


REST_SECONDS, REST_TURNS = 0.25, 4
KERNEL_BYTES = 1 << 20
# Ends a wait that has become hopeless.
PATIENCE_SECONDS = 120


class ScriptedUpstream:
    """Runs `script` for every request and keeps what it saw.

    Its four addresses speak the same: `http1`, `http1_tls`, `http2` (prior knowledge) and `http2_tls` (by
    ALPN).
    """

    def __init__(self, certificate: pathlib.Path, key: pathlib.Path):
        self._certificate, self._key = certificate, key
        self._default: Script = scripts.chat_or_message()
        self.script: Script = self._default
        self.exchanges: list[Exchange] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted upstream", daemon=True)
        self._servers = []
        self._connections: set[asyncio.StreamWriter] = set()
        self._thread.start()
        self.addresses = self._call(self._listen())

    def close(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def reset(self) -> None:
        """Forgets what it saw and answers well again."""
        self.script = self._default
        self.exchanges.clear()

    @contextlib.contextmanager
    def doing(self, script: Script):
        """For the length of a `with` block every request gets this script."""
        self.reset()
        self.script = script
        try:
            yield self
        finally:
            self.script = self._default

    @property
    def last(self) -> Exchange:
        return self.exchanges[-1]

    def until_at_rest(self, concerns: Callable[[Exchange], bool]) -> None:
        """Until nothing more comes of the exchanges concerned and nothing more is taken of their answers. The loop itself
        looks again and again: however busy it is, everything there is to do has had its turn in between."""
        self._call(self._rest(concerns), PATIENCE_SECONDS)

    def soon(self, act: Callable[[], None]) -> None:
        """Has something done in the loop, where scripts may wait for it."""
        self._loop.call_soon_threadsafe(act)

    @contextlib.contextmanager
    def standing_still(self):
        """For the length of a `with` block nothing is read and no script goes on."""
        stands, goes_on = threading.Event(), threading.Event()

        def stand() -> None:
            stands.set()
            goes_on.wait(PATIENCE_SECONDS)

        self._loop.call_soon_threadsafe(stand)
        stands.wait(PATIENCE_SECONDS)
        try:
            yield
        finally:
            goes_on.set()

    def url(self, way: str) -> str:
        scheme = "https" if way.endswith("_tls") else "http"
        return f"{scheme}://127.0.0.1:{self.addresses[way]}"

    # MARK: inside the loop

    async def _rest(self, concerns) -> None:
        before, turns = None, 0
        while turns < REST_TURNS:
            await asyncio.sleep(REST_SECONDS)
            sent = [exchange.sent for exchange in self.exchanges if concerns(exchange)]
            now = len(sent), sum(sent)
            turns = turns + 1 if now == before else 0
            before = now

    async def _listen(self) -> dict[str, int]:
        ways = {
            "http1": (self._serve_http1, None),
            "http1_tls": (self._serve_http1, self._context(["http/1.1"])),
            "http2": (self._serve_http2, None),
            "http2_tls": (self._serve_http2, self._context(["h2"])),
        }
        ports = {}
        for way, (serve, context) in ways.items():
            server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, limit=1 << 20)
            # Accepted connections have them of their listener. Left to itself, the kernel would take tens of megabytes
            # for a connection that was read fast once.
            for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                server.sockets[0].setsockopt(socket.SOL_SOCKET, buffer, KERNEL_BYTES)
            self._servers.append(server)
            ports[way] = server.sockets[0].getsockname()[1]
        return ports

    def _context(self, protocols: list[str]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, self._key)
        context.set_alpn_protocols(protocols)
        return context

    async def _serve_http1(self, reader, writer) -> None:
        await self._serve(writer, http1.serve(reader, writer, self._run))

    async def _serve_http2(self, reader, writer) -> None:
        await self._serve(writer, http2.Session(reader, writer, self._run).serve())

    async def _serve(self, writer, work) -> None:
        self._connections.add(writer)
        try:
            await work
        finally:
            self._connections.discard(writer)

    async def _run(self, exchange: Exchange) -> None:
        script = self.script
        if not getattr(script, "starts_at_head", False):
            try:
                await exchange.take_body()
            except ClientGone:
                exchange.ended.set()
                return
            script = self.script
        self.exchanges.append(exchange)
        try:
            await script(exchange)
        except ClientGone:
            exchange.gone.set()
        finally:
            exchange.ended.set()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for writer in list(self._connections):
            writer.transport.abort()

    def _call(self, coroutine, seconds=30):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)
