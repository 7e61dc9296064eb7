"""Attackers that have the edge make new keys over and over: a KeyUpdate of TLS 1.3 (RFC 8446, section 4.6.3) has five bytes,
and carries nothing. Python's ssl module sends none, so these speak through the OpenSSL library itself."""

import ctypes
import ctypes.util
import dataclasses
import socket

from . import frames
from .connection import PATIENCE_SECONDS, NoHandshake, Target
from .frames import FrameReader
from .siege import Outcome

UPDATE_NOT_REQUESTED, UPDATE_REQUESTED = range(2)

_ssl = ctypes.CDLL(ctypes.util.find_library("ssl") or "libssl.so.3")
for _name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(_ssl, _name).restype = ctypes.c_void_p


class TlsConnection:
    """A blocking TLS 1.3 connection that offers `h2`."""

    def __init__(self, target: Target, source: str):
        self._socket = socket.socket()
        self._socket.bind((source, 0))
        self._socket.connect((target.host, target.port))
        # OpenSSL waits in the kernel, where Python's own timeouts do not reach.
        timeout = PATIENCE_SECONDS.to_bytes(8, "little") + bytes(8)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, timeout)
        self._context = ctypes.c_void_p(_ssl.SSL_CTX_new(ctypes.c_void_p(_ssl.TLS_client_method())))
        self._pointer = ctypes.c_void_p(_ssl.SSL_new(self._context))
        _ssl.SSL_set_alpn_protos(self._pointer, b"\x02h2", 3)
        _ssl.SSL_set_fd(self._pointer, self._socket.fileno())
        if _ssl.SSL_connect(self._pointer) != 1:
            self.close()
            raise NoHandshake(f"no handshake from {source}")
        self._reader = FrameReader()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        _ssl.SSL_free(self._pointer)
        _ssl.SSL_CTX_free(self._context)
        self._socket.close()

    def send(self, data: bytes) -> bool:
        return _ssl.SSL_write(self._pointer, data, len(data)) == len(data)

    def receive(self) -> list[frames.Frame]:
        """The frames of what has come; ConnectionError at the connection's end."""
        buffer = ctypes.create_string_buffer(1 << 14)
        count = _ssl.SSL_read(self._pointer, buffer, len(buffer))
        if count <= 0:
            raise ConnectionError
        return self._reader.feed(buffer.raw[:count])

    def update_keys(self, count: int, kind: int) -> bool:
        """Sends so many at once, as far as the connection takes them."""
        for _ in range(count):
            if _ssl.SSL_key_update(self._pointer, kind) != 1 or _ssl.SSL_do_handshake(self._pointer) != 1:
                return False
        return True

    def answers(self, mark: bytes) -> bool:
        """Whether a PING comes back."""
        if not self.send(frames.ping(mark)):
            return False
        try:
            while not any(frame.kind == frames.PING and frame.payload == mark for frame in self.receive()):
                pass
        except ConnectionError:
            return False
        return True


@dataclasses.dataclass(frozen=True)
class KeyUpdates:
    name: str
    kind: int
    limit: int = 10
    excess: int = 10_000

    def __call__(self, target: Target, source: str) -> Outcome:
        with TlsConnection(target, source) as connection:
            connection.send(frames.PREFACE + frames.settings())
            connection.update_keys(self.limit, self.kind)
            tolerated = connection.answers(b"the good")
            connection.update_keys(self.excess, self.kind)
            cut = not connection.answers(b"and more")
            return Outcome(cut, tolerated, sent=self.limit + self.excess, words="" if cut else "everything was taken")


KEY_UPDATES = [
    KeyUpdates("new keys", UPDATE_NOT_REQUESTED),
    # The edge's answer counts too.
    KeyUpdates("new keys on both sides", UPDATE_REQUESTED, limit=5),
]
