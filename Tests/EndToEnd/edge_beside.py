"""One more edge beside the fleet's, with settings of a test's own, and bare clients for it."""

import contextlib
import os
import socket
import ssl
import struct

import h2.config
import h2.connection
import h2.events
from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import wait_until
from world import World

REGION = "us-west"
GOAWAY = 7


@contextlib.contextmanager
def edge_beside(world: World, folder, limits: dict | None = None, ports: Ports | None = None, **settings):
    """Runs an edge in a region that the fleet leaves free. `ports` of another one give it the same address."""
    edge = Edge(
        REGION,
        folder / "edge",
        folder / "logs",
        ports or Ports(folder),
        world.fleet.control_plane,
        world.fleet.authority,
        {"workers": 2, "limits": limits or {}, **settings},
    )
    try:
        edge.start()
        await_configuration(world, edge)
        yield edge
    finally:
        if edge.child:
            edge.child.stop()


def await_configuration(world: World, edge: Edge) -> None:
    """Until the edge is ready, as its admin port says: a client's connection would count against its limits."""
    wait_until(edge.ready, "the edge has the configuration", children=[edge.child])


def metric(edge: Edge, name: str, **labels) -> float:
    """One value of `/metrics`; 0 when there is none."""
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return edge.metrics().get(name + (f"{{{inside}}}" if inside else ""), 0)


def refusals(edge: Edge, reason: str) -> int:
    return int(metric(edge, "strait_edge_refusals_total", reason=reason))


def connect(world: World, edge: Edge, *, protocol="http/1.1", source="127.0.0.1", name="", **options) -> ssl.SSLSocket:
    """A TLS connection. OSError, which ssl's errors are too, when the edge refuses it."""
    host, port = edge.address.split(":")
    context = options.pop("context", None) or client_context(world, protocol)
    plain = socket.create_connection((host, int(port)), timeout=30, source_address=(source, 0))
    # As every client of HTTP/2 does: else the last part of each window waits for an acknowledgement.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return context.wrap_socket(plain, server_hostname=name or host, **options)
    except OSError:
        plain.close()
        raise


def client_context(world: World, protocol: str) -> ssl.SSLContext:
    if protocol not in _contexts:
        _contexts[protocol] = ssl.create_default_context(cafile=str(world.fleet.ca_file))
        _contexts[protocol].set_alpn_protocols([protocol])
    return _contexts[protocol]


_contexts: dict[str, ssl.SSLContext] = {}


def is_refused(world: World, edge: Edge, **options) -> bool:
    try:
        connect(world, edge, **options).close()
    except OSError:
        return True
    return False


class H2Client:
    """One HTTP/2 connection, read event by event."""

    def __init__(self, world: World, edge: Edge):
        self._key, self._host = world.key, edge.address
        self.socket = connect(world, edge, protocol="h2")
        self._session = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._session.initiate_connection()
        self.seen: list[h2.events.Event] = []
        self.unread: set[int] = set()
        """Streams whose own window is not opened again."""
        self.goaways: list[tuple[int, int]] = []
        """Last stream and error code of each."""
        self._unread = b""
        self._send()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def request(self, path: str, body: bytes | None = None, *, ends=True) -> int:
        stream = self._session.get_next_available_stream_id()
        headers = {
            ":method": "GET" if body is None else "POST",
            ":path": f"/v1{path}",
            ":scheme": "https",
            ":authority": self._host,
            "authorization": f"Bearer {self._key}",
            **({} if body is None else {"content-type": "application/json"}),
        }
        self._session.send_headers(stream, list(headers.items()), end_stream=body is None)
        self._send()
        if body is not None:
            self.send_body(stream, body, ends=ends)
        return stream

    def send_body(self, stream: int, body: bytes, *, ends=True) -> None:
        """As much as the windows allow, again and again."""
        while body:
            room = min(self._session.local_flow_control_window(stream), self._session.max_outbound_frame_size)
            if room == 0:
                self.read()
                continue
            self._session.send_data(stream, body[:room])
            body = body[room:]
            self._send()
        if ends:
            self._session.end_stream(stream)
            self._send()

    def until(self, kind: type, stream: int | None = None) -> h2.events.Event:
        """The first event of this kind, of the stream where one is given; it may have come already."""
        while True:
            for event in self.seen:
                if isinstance(event, kind) and stream in (None, getattr(event, "stream_id", None)):
                    return event
            if not self.read():
                raise EOFError(f"the edge closed before a {kind.__name__}: {self.seen}")

    def until_data(self, stream: int) -> None:
        """Until the stream has brought something new."""
        self.seen = [event for event in self.seen if not isinstance(event, h2.events.DataReceived)]
        self.until(h2.events.DataReceived, stream)

    def answer(self, stream: int) -> tuple[int, dict, bytes]:
        self.until(h2.events.StreamEnded, stream)
        mine = [event for event in self.seen if getattr(event, "stream_id", None) == stream]
        head = next(event for event in mine if isinstance(event, h2.events.ResponseReceived))
        fields = dict(head.headers)
        body = b"".join(event.data for event in mine if isinstance(event, h2.events.DataReceived))
        return int(fields[":status"]), fields, body

    def read(self) -> bool:
        """Takes what has come; False at the connection's end."""
        data = self.socket.recv(65536)
        if not data:
            return False
        for event in self._take(data):
            if isinstance(event, h2.events.DataReceived):
                if event.stream_id in self.unread:
                    self._session.increment_flow_control_window(event.flow_controlled_length)
                else:
                    self._session.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.seen.append(event)
        self._send()
        return True

    def _take(self, data: bytes) -> list[h2.events.Event]:
        """h2 takes a GOAWAY for the end of everything, so that is kept from it: streams below it go on."""
        self._unread += data
        events = []
        while len(self._unread) >= 9 and len(self._unread) >= 9 + int.from_bytes(self._unread[:3]):
            size = 9 + int.from_bytes(self._unread[:3])
            frame, self._unread = self._unread[:size], self._unread[size:]
            if frame[3] == GOAWAY:
                last, code = struct.unpack(">II", frame[9:17])
                self.goaways.append((last, code))
            else:
                events += self._session.receive_data(frame)
        return events

    def _send(self) -> None:
        if data := self._session.data_to_send():
            self.socket.sendall(data)


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
