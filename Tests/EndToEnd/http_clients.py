"""Bare clients of both protocols with one interface, for what a client's library would hide: which heads came before
the answer, how the answer was framed, what came behind it, and how the connection ended."""

import contextlib
import dataclasses
import json
import socket
import ssl
import zlib

import h2.errors
import h2.events
import httptools
from devfleet.edges import Edge
from edge_beside import H2Client, connect
from world import World, chat_request

PATH = "/chat/completions"
# More window than any answer here is long.
WIDE = 1 << 30


@dataclasses.dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytearray = dataclasses.field(default_factory=bytearray)
    trailers: dict[str, str] = dataclasses.field(default_factory=dict)
    information: list[tuple[int, dict[str, str]]] = dataclasses.field(default_factory=list)
    """Heads of 1xx that came first."""
    is_whole: bool = False

    @property
    def json(self):
        return json.loads(self.body)


def client_of(world: World, edge: Edge, http2: bool) -> "Http1Client | Http2Client":
    return Http2Client(world, edge) if http2 else Http1Client(world, edge)


def chat_body(model="scripted", **more) -> bytes:
    return json.dumps(chat_request(model, **more)).encode()


class Http1Client:
    """One connection, one request at a time."""

    def __init__(self, world: World, edge: Edge):
        self._key, self._host = world.key, edge.address
        self.socket = connect(world, edge)
        self._reader = _AnswerReader(b"GET")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(
        self, body: bytes | None = None, *, path=PATH, method=None, headers=(), chunked=False, ends=True, version="1.1"
    ) -> int:
        """Sends a request; without `ends` only its head, so that the body can follow by `send_body`."""
        method = method or ("GET" if body is None else "POST")
        fields = {"host": self._host, "authorization": f"Bearer {self._key}", **dict(headers)}
        if body is not None:
            fields.setdefault("content-type", "application/json")
            if "content-length" not in fields:
                fields.update({"transfer-encoding": "chunked"} if chunked else {"content-length": str(len(body))})
        lines = [f"{method} /v1{path} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items())]
        self._reader = _AnswerReader(method.encode())
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        if body is not None and ends:
            self.send_body(0, body, chunked=chunked)
        return 0

    def send_body(self, _: int, body: bytes, *, chunked=False, trailers=(), ends=True) -> None:
        if chunked:
            middle = len(body) // 2
            last = "".join(f"{name}: {value}\r\n" for name, value in dict(trailers).items())
            for part in filter(None, (body[:middle], body[middle:])):
                self.send(b"%x\r\n%s\r\n" % (len(part), part))
            body = b"0\r\n" + last.encode() + b"\r\n" if ends else b""
        self.send(body)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, _: int = 0) -> Answer:
        """The whole answer."""
        while not self._reader.answer.is_whole:
            self._read_or_fail()
        return self._reader.answer

    def head(self, _: int = 0) -> Answer:
        """The answer as soon as its head is there."""
        while not self._reader.answer.headers:
            self._read_or_fail()
        return self._reader.answer

    def so_far(self, _: int = 0) -> Answer:
        return self._reader.answer

    def until_informed(self, _: int, status: int) -> None:
        """Until a head of 1xx came; an answer before it fails."""
        while status not in {known for known, _ in self._reader.answer.information}:
            assert not self._reader.answer.headers, f"answered before {status}: {self._reader.answer}"
            self._read_or_fail()

    def until_body(self, _: int, text: bytes) -> None:
        while text not in self._reader.answer.body:
            self._read_or_fail()

    def hold(self, _: int) -> None:
        """Takes no more of an answer. All that HTTP/1.1 has for it is to read nothing."""

    def take_all(self, _: int) -> tuple[int, int]:
        """Reads a large answer to its end. Returns its length and checksum."""
        answer = self.answer()
        return len(answer.body), zlib.crc32(answer.body)

    def read_to_end(self) -> None:
        """Until the edge closes, in order or not."""
        try:
            while self.read():
                pass
        except OSError:
            pass

    def say_end(self, *, close_notify=True, shut=False) -> None:
        """Ends our side only: by TLS's close_notify, by TCP's FIN, or by both."""
        if close_notify:
            self.socket.setblocking(False)
            try:
                self.socket.unwrap()
            except ssl.SSLWantReadError:
                pass
            self.socket.settimeout(30)
        if shut:
            # Past the TLS socket, which would forget its keys.
            socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def read(self) -> bool:
        """Takes what has come; False at the connection's end, which must be in order."""
        data = self.socket.recv(65536)
        if data:
            self._reader.feed(data)
        return bool(data)

    def _read_or_fail(self) -> None:
        if not self.read():
            raise EOFError(f"the edge closed: {self._reader.answer}")


class _AnswerReader:
    """Reads answers with llhttp, which knows nothing of requests: that HEAD has no body is added here."""

    def __init__(self, method: bytes):
        self.answer = Answer()
        self.extra = b""
        self._method = method
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._fields: dict[str, str] = {}
        self._behind_head = False

    def feed(self, data: bytes) -> None:
        if self.answer.is_whole:
            self.extra += data
            return
        # llhttp stops behind a head of 1xx, so each head is given to a parser of its own.
        if not self._behind_head:
            self.extra += data
            while not self._behind_head and b"\r\n\r\n" in self.extra:
                head, self.extra = self.extra.split(b"\r\n\r\n", 1)
                self._take_head(head + b"\r\n\r\n")
            if not self._behind_head:
                return
            data, self.extra = self.extra, b""
        if data and not self.answer.is_whole:
            self._parser.feed_data(data)

    def _take_head(self, head: bytes) -> None:
        status = int(head.split(b" ", 2)[1])
        if status < 200:
            lines = head.decode("latin-1").split("\r\n")[1:-2]
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            self.answer.information.append((status, fields))
            return
        self._behind_head = True
        self._parser.feed_data(head)
        self.answer.status, self.answer.headers = status, dict(self._fields)
        self._fields = {}
        if self._method == b"HEAD" or status in (204, 304):
            self.answer.is_whole = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.answer.body += data

    def on_message_complete(self) -> None:
        self.answer.is_whole = True
        if self.answer.headers:
            self.answer.trailers = dict(self._fields)


class Http2Client(H2Client):
    """The same over HTTP/2."""

    def ask(self, body: bytes | None = None, *, path=PATH, method=None, headers=(), chunked=False, ends=True, **_) -> int:
        """`chunked` leaves the length unsaid."""
        stream = self._session.get_next_available_stream_id()
        fields = {
            ":method": method or ("GET" if body is None else "POST"),
            ":path": f"/v1{path}",
            ":scheme": "https",
            ":authority": self._host,
            "authorization": f"Bearer {self._key}",
            **dict(headers),
        }
        if body is not None:
            fields["content-type"] = "application/json"
            if not chunked and "content-length" not in fields:
                fields["content-length"] = str(len(body))
        self._session.send_headers(stream, list(fields.items()), end_stream=body is None)
        self._send()
        if body is not None and ends:
            self.send_body(stream, body)
        return stream

    def send_body(self, stream: int, body: bytes, *, chunked=False, trailers=(), ends=True) -> None:
        super().send_body(stream, body, ends=ends and not trailers)
        if trailers:
            self._session.send_headers(stream, list(dict(trailers).items()), end_stream=True)
            self._send()

    def answer(self, stream: int) -> Answer:
        while not self.so_far(stream).is_whole:
            self._read_or_fail(stream)
        return self.so_far(stream)

    def head(self, stream: int) -> Answer:
        while not self.so_far(stream).headers:
            self._read_or_fail(stream)
        return self.so_far(stream)

    def so_far(self, stream: int) -> Answer:
        answer = Answer()
        for event in self.seen:
            if getattr(event, "stream_id", None) != stream:
                continue
            match event:
                case h2.events.InformationalResponseReceived():
                    fields = dict(event.headers)
                    answer.information.append((int(fields.pop(":status")), fields))
                case h2.events.ResponseReceived():
                    answer.headers = dict(event.headers)
                    answer.status = int(answer.headers.pop(":status"))
                case h2.events.DataReceived():
                    answer.body += event.data
                case h2.events.TrailersReceived():
                    answer.trailers = dict(event.headers)
                case h2.events.StreamEnded():
                    answer.is_whole = True
        return answer

    def room(self, stream: int) -> int:
        """Bytes of a body that the edge takes now."""
        return min(self._session.local_flow_control_window(stream), self._session.max_outbound_frame_size)

    def framed(self, stream: int, body: bytes) -> bytes:
        """A part of a body as it goes over the connection, for who sends it by hand."""
        self._session.send_data(stream, body)
        return self._session.data_to_send()

    def cancel(self, stream: int) -> None:
        self._session.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        self._send()

    def hold(self, stream: int) -> None:
        self.unread.add(stream)

    def sip(self, stream: int, count: int) -> None:
        """Lets so many more bytes of an answer come that is held, and takes what is there."""
        self._session.increment_flow_control_window(count, stream)
        self._send()
        self.socket.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.read()
        self.socket.settimeout(30)

    def take_all(self, stream: int) -> tuple[int, int]:
        if stream in self.unread:
            self.unread.remove(stream)
            self._session.increment_flow_control_window(WIDE, stream)
            self._send()
        length = checksum = 0
        while True:
            events, self.seen = self.seen, []
            for event in events:
                if getattr(event, "stream_id", None) != stream:
                    continue
                if isinstance(event, h2.events.DataReceived):
                    length, checksum = length + len(event.data), zlib.crc32(event.data, checksum)
                if isinstance(event, h2.events.StreamEnded):
                    return length, checksum
                if isinstance(event, h2.events.StreamReset):
                    raise EOFError(f"the edge reset the stream behind {length} bytes")
            if not self.read():
                raise EOFError(f"the edge closed behind {length} bytes")

    def until_informed(self, stream: int, status: int) -> None:
        while status not in {known for known, _ in self.so_far(stream).information}:
            assert not self.so_far(stream).headers, f"answered before {status}: {self.so_far(stream)}"
            self._read_or_fail(stream)

    def until_body(self, stream: int, text: bytes) -> None:
        while text not in self.so_far(stream).body:
            self._read_or_fail(stream)

    def read_to_end(self) -> None:
        try:
            while self.read():
                pass
        except OSError:
            pass

    def is_reset(self, stream: int) -> bool:
        return any(isinstance(event, h2.events.StreamReset) and event.stream_id == stream for event in self.seen)

    def _read_or_fail(self, stream: int) -> None:
        if self.is_reset(stream):
            raise EOFError(f"the edge reset the stream: {self.so_far(stream)}")
        if not self.read():
            raise EOFError(f"the edge closed: {self.so_far(stream)}")
