"""Networks of a test's own: an edge and its centre in network namespaces, and a way between them that can be cut.

Each namespace belongs to a child that ends with us, whatever ends us: nothing is left behind. Everything that is not
the control link, such as clients, the upstream and the database, goes through doors that no cut closes.
"""

import asyncio
import concurrent.futures
import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading

from devfleet.processes import Child, wait_until
from devfleet.workplace import FleetError

CLONE_NEWNET = 0x40000000
EDGE, CENTRE = "10.77.1.2", "10.77.2.2"
TO_EDGE, TO_CENTRE = "10.77.1.1", "10.77.2.1"
_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str | None:
    """Why namespaces cannot be made here; None where they can."""
    for tool in ("unshare", "nsenter", "ip"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed; next: infra/setup test"
    made = subprocess.run(
        ["unshare", "--net", "ip", "link", "add", "left", "type", "veth", "peer", "name", "right"],
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        return f"network namespaces with veth pairs cannot be made here: {made.stderr.strip()}"
    return None


class Namespace:
    def __init__(self, name: str, log):
        self.name = name
        self.child = Child(name, ["unshare", "--net", "sleep", "infinity"], log)
        ours = os.readlink("/proc/self/ns/net")
        wait_until(
            lambda: os.readlink(f"/proc/{self.child.pid}/ns/net") != ours, f"{name} is there", children=[self.child]
        )
        self._inside = concurrent.futures.ThreadPoolExecutor(1, initializer=self._enter)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def prefix(self) -> list[str]:
        """Starts a program in here, under the same process id."""
        return ["nsenter", f"--net=/proc/{self.child.pid}/ns/net"]

    def run(self, *command) -> str:
        result = subprocess.run([*self.prefix, *map(str, command)], capture_output=True, text=True)
        if result.returncode != 0:
            raise FleetError(f"{' '.join(map(str, command))} in {self.name}: {result.stderr.strip()}")
        return result.stdout

    def socket(self) -> socket.socket:
        """A socket that stays in here, whoever uses it."""
        return self._inside.submit(socket.socket).result()

    def close(self) -> None:
        self._inside.shutdown()
        self.child.kill()

    def _enter(self) -> None:
        """For the one thread that makes sockets."""
        descriptor = os.open(f"/proc/{self.child.pid}/ns/net", os.O_RDONLY)
        try:
            if _libc.setns(descriptor, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(descriptor)


class Way:
    """Edge and centre, with a router between them."""

    def __init__(self, log):
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self.edge, self._router, self.centre = (
                stack.enter_context(contextlib.closing(Namespace(name, log)))
                for name in ("the edge's network", "the router", "the centre's network")
            )
            self._connect(self.edge, EDGE, TO_EDGE, "toedge")
            self._connect(self.centre, CENTRE, TO_CENTRE, "tocentre")
            self._forward(True)
            self._stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def drop(self) -> None:
        """From now on packets vanish, and nobody is told."""
        self._forward(False)

    def unplug(self) -> None:
        """The edge has no network any more, and knows it."""
        self.edge.run("ip", "link", "set", "way", "down")

    def heal(self) -> None:
        self._forward(True)
        self.edge.run("ip", "link", "set", "way", "up")
        self._route(self.edge, TO_EDGE)

    def holds_a_connection(self) -> bool:
        """Whether the edge takes any connection to the centre for good."""
        return CENTRE in self.edge.run("ss", "-Htn", "state", "established")

    def dials(self) -> bool:
        """Whether the edge asks for a new connection at the moment, which nobody answers."""
        return CENTRE in self.edge.run("ss", "-Htn", "state", "syn-sent")

    def _connect(self, host: Namespace, address: str, router: str, name: str) -> None:
        self._router.run("ip", "link", "add", name, "type", "veth", "peer", "name", "way", "netns", host.child.pid)
        self._router.run("ip", "address", "add", f"{router}/24", "dev", name)
        self._router.run("ip", "link", "set", name, "up")
        host.run("ip", "address", "add", f"{address}/24", "dev", "way")
        host.run("ip", "link", "set", "way", "up")
        self._route(host, router)

    def _route(self, host: Namespace, router: str) -> None:
        host.run("ip", "route", "replace", "default", "via", router)

    def _forward(self, forwards: bool) -> None:
        """A host that does not forward takes what is not for itself and says nothing."""
        self._router.run("sh", "-c", f"echo {int(forwards)} >/proc/sys/net/ipv4/ip_forward")


class Doors:
    """Connections to 127.0.0.1 in one network that come out at the same port of 127.0.0.1 in another; None is ours."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="doors", daemon=True)
        self._tasks: set[asyncio.Task] = set()
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self, port: int, *, inside: Namespace | None, outside: Namespace | None) -> None:
        """What connects `outside` comes out `inside`."""
        listener = outside.socket() if outside else socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        asyncio.run_coroutine_threadsafe(self._listen(listener, port, inside), self._loop).result(30)

    async def _listen(self, listener: socket.socket, port: int, inside: Namespace | None) -> None:
        async def come(reader, writer):
            self._tasks.add(task := asyncio.current_task())
            try:
                await self._pass(reader, writer, port, inside)
            finally:
                self._tasks.discard(task)

        await asyncio.start_server(come, sock=listener, backlog=256)

    async def _pass(self, reader, writer, port, inside) -> None:
        far = await asyncio.to_thread(inside.socket) if inside else socket.socket()
        far.setblocking(False)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._loop.sock_connect(far, ("127.0.0.1", port))
            far_reader, far_writer = await asyncio.open_connection(sock=far)
            for one in (writer, far_writer):
                one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        far.close()
        writer.close()

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
