"""Upstreams that say just the bytes that a test wants said, one thread for each connection."""

import contextlib
import pathlib
import socket
import ssl
import threading
from collections.abc import Callable

import hpack
from hostile import frames

# Ends a wait that has become hopeless.
PATIENCE_SECONDS = 60
GOOD = b'{"id":"x","object":"chat.completion","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'


class RawUpstream:
    """Runs `serve` for every connection, which it closes behind it. With a certificate it speaks TLS, and by ALPN
    whatever `protocols` has."""

    def __init__(
        self,
        serve: Callable[[socket.socket], None],
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        certificate: tuple[pathlib.Path, pathlib.Path] | None = None,
        protocols: tuple[str, ...] = ("http/1.1",),
    ):
        self.serve = serve
        self.connections = 0
        """Taken so far."""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
            self._context.set_alpn_protocols(list(protocols))
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=512)
        self.port = self._listener.getsockname()[1]
        self._scheme = "https" if certificate else "http"
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.add(connection)
        try:
            if self._context:
                plain, connection = connection, self._context.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open.discard(plain)
                    self._open.add(connection)
            self.serve(connection)
        except (OSError, EOFError):
            pass  # The edge has ended it, as it may.
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def read_request(connection: socket.socket) -> bytes | None:
    """The head of one HTTP/1.1 request whose body has a length, when all of it has come; None at the connection's end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    return head


def answer(connection: socket.socket, body: bytes = GOOD, status: str = "200 OK", fields: str = "") -> None:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{fields}content-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def serve_well(connection: socket.socket) -> None:
    while read_request(connection):
        answer(connection)


class H2Upstream:
    """Serves an HTTP/2 connection: says `settings`, and answers each whole request well, or as `answer(connection,
    encoder, stream, body)` does. `noting` is told of each frame."""

    def __init__(self, answer=None, *settings: tuple[int, int], noting: Callable[[frames.Frame], None] | None = None):
        self._answer, self._settings = answer or self._answer_well, settings
        self._note = noting or (lambda frame: None)

    def __call__(self, connection: socket.socket) -> None:
        encoder, reader, bodies = hpack.Encoder(), frames.FrameReader(), {}
        connection.sendall(frames.settings(*self._settings))
        data = b""
        while len(data) < len(frames.PREFACE):
            data += _some(connection)
        data = data[len(frames.PREFACE) :]
        while True:
            for frame in reader.feed(data):
                self._note(frame)
                if frame.kind == frames.SETTINGS and not frame.flags & frames.ACK:
                    connection.sendall(frames.frame(frames.SETTINGS, frames.ACK))
                if frame.kind != frames.DATA:
                    continue
                bodies[frame.stream] = bodies.get(frame.stream, b"") + frame.payload
                if frame.payload:
                    connection.sendall(frames.window_update(0, len(frame.payload)))
                if frame.flags & frames.END_STREAM:
                    self._answer(connection, encoder, frame.stream, bodies.pop(frame.stream))
            data = _some(connection)

    @staticmethod
    def _answer_well(connection, encoder, stream: int, _) -> None:
        connection.sendall(h2_head(encoder, stream) + frames.data(stream, GOOD))


def h2_head(encoder: hpack.Encoder, stream: int, *fields: tuple[str, str]) -> bytes:
    block = encoder.encode([(":status", "200"), ("content-type", "application/json"), *fields], huffman=False)
    return frames.headers(stream, block, ends=False)


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    if not data:
        raise EOFError
    return data
