"""A new process takes an address over from the one that serves it, and no client is refused."""

import asyncio
import json
import os
import pathlib
import signal
import socket
import ssl
import threading

from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import wait_until
from edge_beside import REGION, H2Client, connect
from scripted import scripts
from world import World, chat_request


class Successors:
    """Edges on one address, each with a folder and an admin port of its own."""

    def __init__(self, world: World, folder: pathlib.Path):
        self._world, self._folder, self._listen = world, folder, Ports(folder / "shared")[f"edge-{REGION}"]
        self.all: list[Edge] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for edge in self.all:
            edge.child.stop()

    def start(self, workers: int) -> Edge:
        folder = self._folder / str(len(self.all))
        ports = {
            f"edge-{REGION}": self._listen,
            f"edge-{REGION}-admin": Ports(folder)[f"edge-{REGION}-admin"],
        }
        fleet = self._world.fleet
        settings = {"workers": workers, "drain_seconds": 20}
        edge = Edge(
            REGION, folder / "edge", folder / "logs", ports, fleet.control_plane, fleet.authority, settings
        )
        edge.start()
        self.all.append(edge)
        return edge


class Newcomers:
    """Clients that connect, ask one thing and leave, over and over, and remember what went wrong."""

    def __init__(self, world: World, edge: Edge, count: int = 4):
        self.served, self.failures = 0, []
        self._world, self._edge = world, edge
        self._stop, self._lock = threading.Event(), threading.Condition()
        self._threads = [threading.Thread(target=self._come) for _ in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for(self, more: int) -> None:
        with self._lock:
            goal = self.served + more
            assert self._lock.wait_for(lambda: self.served >= goal, 60), self.failures

    def _come(self) -> None:
        while not self._stop.is_set():
            try:
                answer = ask(self._world, self._edge)
                if not answer.startswith(b"HTTP/1.1 200"):
                    self.failures.append(answer)
            except OSError as error:
                self.failures.append(error)
            with self._lock:
                self.served += 1
                self._lock.notify_all()


def ask(world, edge) -> bytes:
    with connect(world, edge) as client:
        head = f"GET /v1/models HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {world.key}\r\n\r\n"
        client.sendall(head.encode())
        return client.recv(65536)


def test_restarts_refuse_nobody(world, tmp_path):
    with Successors(world, tmp_path) as edges:
        old = edges.start(workers=2)
        with Newcomers(world, old) as newcomers:
            # With more workers, with fewer, with as many.
            for workers in (3, 1, 2, 2):
                newcomers.wait_for(50)
                new = edges.start(workers)
                newcomers.wait_for(50)
                assert old.child.stop(30) == 0
                newcomers.wait_for(100)
                old = new
        assert newcomers.failures == []


def test_the_control_without_a_successor_clients_are_refused(world, tmp_path):
    with Successors(world, tmp_path) as edges:
        edge = edges.start(workers=2)
        with Newcomers(world, edge) as newcomers:
            newcomers.wait_for(50)
            edge.child.stop(30)
            newcomers.wait_for(20)
        assert newcomers.failures != []


def test_no_stream_is_cut_within_the_drain_window(world, tmp_path, scripted):
    go_on = threading.Event()

    async def until_told(exchange):
        while not go_on.is_set():
            await exchange.write(b": waiting\n\n")
            await asyncio.sleep(0.05)

    with Successors(world, tmp_path) as edges, scripted.doing(scripts.chat_stream(pause=until_told)):
        old = edges.start(workers=2)
        with H2Client(world, old) as client:
            body = json.dumps(chat_request(stream=True)).encode()
            stream = client.request("/chat/completions", body)
            client.until_data(stream)
            edges.start(workers=2)
            os.kill(old.child.pid, signal.SIGTERM)
            while not client.goaways:
                client.read()
            go_on.set()
            _, _, text = client.answer(stream)
            assert text.endswith(b"data: [DONE]\n\n")
            wait_until(lambda: not old.child.running, "the old one ends when its last stream has")
            assert ask(world, old).startswith(b"HTTP/1.1 200"), "the new one serves"


def test_those_who_wait_in_the_queue_are_served_before_the_end(world, tmp_path):
    """While the process is stopped the kernel takes connections for it; closing the socket would reset them."""
    context = ssl.create_default_context(cafile=str(world.fleet.ca_file))
    with Successors(world, tmp_path) as edges:
        edge = edges.start(workers=1)
        os.kill(edge.child.pid, signal.SIGSTOP)
        host, port = edge.address.split(":")
        waiting = [socket.create_connection((host, int(port)), timeout=30) for _ in range(20)]
        os.kill(edge.child.pid, signal.SIGTERM)
        os.kill(edge.child.pid, signal.SIGCONT)
        for plain in waiting:
            with context.wrap_socket(plain, server_hostname=host) as client:
                head = f"GET /v1/models HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {world.key}\r\n\r\n"
                client.sendall(head.encode())
                assert client.recv(65536).startswith(b"HTTP/1.1 200")
