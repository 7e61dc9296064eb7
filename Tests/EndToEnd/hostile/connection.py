"""A client's connection that sends what it is told to, byte for byte, and notes what comes back."""

import dataclasses
import json
import socket
import ssl
import struct

import hpack

from . import frames
from .frames import FrameReader

# Ends a wait that has become hopeless; nothing is measured by it.
PATIENCE_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class Target:
    host: str
    port: int
    trust: ssl.SSLContext
    """Offers `h2`."""
    key: str
    model: str = "scripted"

    @property
    def authority(self) -> bytes:
        return f"{self.host}:{self.port}".encode()

    def pseudo(self, path: bytes = b"/v1/chat/completions", method: bytes = b"POST") -> list[tuple[bytes, bytes]]:
        return [(b":method", method), (b":scheme", b"https"), (b":path", path), (b":authority", self.authority)]

    @property
    def credential(self) -> tuple[bytes, bytes]:
        return b"authorization", b"Bearer " + self.key.encode()

    def chat(self, *fields: tuple[bytes, bytes]) -> bytes:
        """The header block of a chat request."""
        return frames.block(*self.pseudo(), self.credential, *fields)

    def models(self, *fields: tuple[bytes, bytes]) -> bytes:
        """The header block of a request that the edge answers by itself."""
        return frames.block(*self.pseudo(b"/v1/models", b"GET"), self.credential, *fields)

    def body(self, content: str = "hello", **more) -> bytes:
        document = {"model": self.model, "messages": [{"role": "user", "content": content}], **more}
        return json.dumps(document).encode()


def target_of(world, edge) -> Target:
    trust = ssl.create_default_context(cafile=str(world.fleet.ca_file))
    trust.set_alpn_protocols(["h2"])
    host, port = edge.address.split(":")
    return Target(host, int(port), trust, world.key)


@dataclasses.dataclass(frozen=True)
class Goaway:
    last_stream: int
    code: int


class Unanswered(Exception):
    """The edge neither answered nor ended the connection."""


class NoHandshake(Exception):
    """The edge did not take the connection."""


class Connection:
    """After the handshake `opening` has been sent. What comes back is noted as it is read: `statuses`, `resets`, `ended`
    by stream, `goaways`, and `closed`."""

    def __init__(
        self,
        target: Target,
        source: str = "127.0.0.1",
        *,
        opening: bytes = frames.PREFACE + frames.settings(),
        receive_bytes: int | None = None,
    ):
        plain = socket.socket()
        if receive_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        plain.settimeout(PATIENCE_SECONDS)
        plain.bind((source, 0))
        try:
            plain.connect((target.host, target.port))
            self.socket = target.trust.wrap_socket(plain, server_hostname=target.host)
        except (ssl.SSLError, OSError) as error:
            plain.close()
            raise NoHandshake(f"{error!r} from {source}") from None
        self.closed = False
        self.statuses: dict[int, int] = {}
        self.resets: dict[int, int] = {}
        self.ended: set[int] = set()
        self.bodies: dict[int, bytearray] = {}
        self.goaways: list[Goaway] = []
        self.pongs: set[bytes] = set()
        # What the edge lets us send: of the connection at 0, of streams by their number.
        self._windows: dict[int, int] = {0: 65_535}
        self._first_window = 65_535
        self._reader = FrameReader()
        self._decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self._barriers = 0
        if opening:
            self.send(opening)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Returns whether the connection still took it."""
        if self.closed:
            return False
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError):
            self._drain_after_cut()
            return False
        except TimeoutError:
            raise Unanswered("the edge has stopped reading and keeps the connection") from None
        return True

    def read(self) -> bool:
        """Reads once. Returns whether the connection still lives."""
        if self.closed:
            return False
        try:
            received = self.socket.recv(1 << 16)
        except (ConnectionError, ssl.SSLError):
            received = b""
        except TimeoutError:
            raise Unanswered("the edge neither answers nor ends the connection") from None
        if not received:
            self.closed = True
            return False
        for frame in self._reader.feed(received):
            self.note(frame)
        return True

    def until(self, condition) -> bool:
        """Reads until the condition holds; False when the connection ended first."""
        while not condition():
            if not self.read():
                return bool(condition())
        return True

    def until_closed(self) -> None:
        while self.read():
            pass

    def done(self, stream: int) -> bool:
        return stream in self.ended or stream in self.resets

    def window(self, stream: int) -> int:
        """How many bytes of the stream's body the edge takes now."""
        return min(self._windows[0], self._windows.get(stream, self._first_window))

    def spend(self, stream: int, count: int) -> None:
        self._windows[0] -= count
        self._windows[stream] = self._windows.get(stream, self._first_window) - count

    def answers(self) -> bool:
        """Whether the edge has worked off everything sent so far and still speaks: a PING that comes back."""
        self._barriers += 1
        mark = b"barrier%c" % (self._barriers % 256)
        self.pongs.discard(mark)
        return self.send(frames.ping(mark)) and self.until(lambda: mark in self.pongs or self.goaways) and not self.cut

    @property
    def cut(self) -> bool:
        """The edge has ended the connection or said that it will, for a fault of ours."""
        return self.closed or any(goaway.code != frames.NO_ERROR for goaway in self.goaways)

    def note(self, frame: frames.Frame) -> None:
        match frame.kind:
            case frames.HEADERS:
                fields = dict(self._decoder.decode(frame.payload, raw=True))
                if b":status" in fields:
                    self.statuses[frame.stream] = int(fields[b":status"])
            case frames.DATA:
                self.bodies.setdefault(frame.stream, bytearray()).extend(frame.payload)
            case frames.RST_STREAM:
                self.resets[frame.stream] = struct.unpack(">I", frame.payload)[0]
            case frames.GOAWAY:
                self.goaways.append(Goaway(*struct.unpack_from(">II", frame.payload)))
            case frames.PING if frame.flags & frames.ACK:
                self.pongs.add(frame.payload)
            case frames.WINDOW_UPDATE:
                increment = struct.unpack(">I", frame.payload)[0]
                self._windows[frame.stream] = self._windows.get(frame.stream, self._first_window) + increment
            case frames.SETTINGS if not frame.flags & frames.ACK:
                for name, value in struct.iter_unpack(">HI", frame.payload):
                    if name == frames.INITIAL_WINDOW_SIZE:
                        self._first_window = value
                self.send(frames.frame(frames.SETTINGS, frames.ACK))
        if frame.kind in (frames.HEADERS, frames.DATA) and frame.flags & frames.END_STREAM:
            self.ended.add(frame.stream)

    def _drain_after_cut(self) -> None:
        """What the edge said before it closed is still there to be read."""
        try:
            while self.read():
                pass
        finally:
            self.closed = True
