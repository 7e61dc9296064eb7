"""An upstream over HTTP/1.1 that counts: it reads with llhttp, keeps the bytes of every request, and notes whatever is
not one whole request after another."""

import dataclasses
import json
import socket
import threading

import httptools

# Names that the cases use for trailers that may pass: they mean nothing to anybody on the way.
HARMLESS_TRAILERS = {b"x-trailer", b"x-length", b"x-marker"}


@dataclasses.dataclass
class Seen:
    """One request as it arrived."""

    raw: bytes = b""
    target: bytes = b""
    method: bytes = b""
    fields: list[tuple[bytes, bytes]] = dataclasses.field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = dataclasses.field(default_factory=list)
    is_whole: bool = False

    @property
    def content(self) -> str:
        """What the request's first message says: the tests put the number of their case there."""
        return json.loads(self.body)["messages"][0]["content"]

    @property
    def is_framed_once(self) -> bool:
        """By its length; in chunks only where trailers ask for that."""
        lengths, codings = self.values(b"content-length"), self.values(b"transfer-encoding")
        if self.trailers:
            return (lengths, codings) == ([], [b"chunked"])
        return (lengths, codings) == ([b"%d" % len(self.body)], [])

    def values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known.lower() == name]


class CountingUpstream:
    """Answers every request with 200 and its own first message as `echo`. A thread for each connection."""

    def __init__(self):
        self.seen: list[Seen] = []
        self.faults: list[str] = []
        """Bytes that are no request, or that came before their time."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="counting upstream", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def reset(self) -> None:
        with self._lock:
            self.seen.clear()
            self.faults.clear()

    def close(self) -> None:
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                connection.close()

    def note(self, seen: Seen) -> None:
        with self._lock:
            self.seen.append(seen)

    def note_fault(self, words: str) -> None:
        with self._lock:
            self.faults.append(words)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        reader = _Reader(self)
        with connection:
            try:
                while data := connection.recv(65536):
                    for seen in reader.read(data):
                        connection.sendall(_answer(seen))
            except OSError:
                pass
        reader.end()
        with self._lock:
            self._connections.discard(connection)


class _Reader:
    """One connection's requests. The edge sends the next one only after the answer, so that more than one in the same
    bytes is a fault."""

    def __init__(self, upstream: CountingUpstream):
        self._upstream = upstream
        self._parser = httptools.HttpRequestParser(self)
        self._current: Seen | None = None
        self._is_behind_head = False
        self._raw = b""
        self._done: list[Seen] = []

    def read(self, data: bytes) -> list[Seen]:
        self._raw += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._upstream.note_fault(f"{error} in {self._raw!r}")
            raise OSError from None
        done, self._done = self._done, []
        if not done:
            return []
        if len(done) > 1 or self._current is not None:
            self._upstream.note_fault(f"more than one request in {self._raw!r}")
        done[0].raw, self._raw = self._raw, b""
        return done

    def end(self) -> None:
        if self._raw.strip():
            self._upstream.note_fault(f"half a request: {self._raw!r}")

    def on_message_begin(self):
        self._current = Seen()
        self._is_behind_head = False

    def on_url(self, part: bytes):
        self._current.target += part

    def on_header(self, name: bytes, value: bytes):
        fields = self._current.trailers if self._is_behind_head else self._current.fields
        fields.append((name, value))

    def on_headers_complete(self):
        self._current.method = self._parser.get_method()
        self._is_behind_head = True

    def on_body(self, part: bytes):
        self._current.body += part

    def on_message_complete(self):
        self._current.is_whole = True
        self._done.append(self._current)
        self._upstream.note(self._current)
        self._current = None


def _answer(seen: Seen) -> bytes:
    try:
        echo = seen.content
    except (ValueError, LookupError, TypeError):
        echo = "unreadable"
    body = json.dumps({"object": "chat.completion", "choices": [], "echo": echo}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )
