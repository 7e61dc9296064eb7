"""Upstreams that use HTTP/2 to its edges and break no rule: every answer and every request arrives whole."""

import contextlib
import json
import threading

import hpack
import pytest
from edge_beside import edge_beside
from hostile import frames
from raw_upstream import GOOD, H2Upstream, RawUpstream, h2_head
from upstream_models import add_models
from world import chat_request

OK = (b":status", b"200")
TYPE = (b"content-type", b"application/json")


def byte_by_byte(connection, _, stream, __):
    block = frames.block(OK, TYPE, (b"x-long", b"y" * 50))
    parts = [block[:7], b"", block[7:20], block[20:]]
    said = frames.headers(stream, parts[0], ends=False, flags=0)
    for part in parts[1:]:
        flags = frames.END_HEADERS if part is parts[-1] else 0
        said += frames.frame(frames.CONTINUATION, flags, stream, part)
    said += frames.data(stream, GOOD[:5], ends=False) + frames.data(stream, GOOD[5:])
    for byte in said:
        connection.sendall(bytes([byte]))


def padded(connection, _, stream, __):
    block = frames.block(OK, TYPE)
    flags = frames.END_HEADERS | frames.PADDED | frames.HAS_PRIORITY
    connection.sendall(frames.frame(frames.HEADERS, flags, stream, b"\x09\0\0\0\0\x0f" + block + bytes(9)))
    connection.sendall(frames.frame(frames.DATA, frames.PADDED, stream, b"\xff" + GOOD[:9] + bytes(255)))
    connection.sendall(frames.frame(frames.DATA, frames.PADDED | frames.END_STREAM, stream, b"\0" + GOOD[9:]))


def between_strangers(connection, _, stream, __):
    strange = frames.frame(frames.UNKNOWN, 0xFF, stream, b"z" * 100) + frames.priority(stream) + frames.priority(4)
    said = strange + frames.headers(stream, frames.block((b":status", b"103"), (b"link", b"</x>")), ends=False)
    said += strange + frames.headers(stream, frames.block(OK, TYPE), ends=False) + strange
    said += frames.data(stream, GOOD, ends=False) + strange + frames.headers(stream, frames.block((b"x-sum", b"1")))
    connection.sendall(said)


class Late:
    """Goes on about a stream that is over, and refers to what it has put into the table then in its next answer."""

    def __init__(self):
        self.answered = 0

    def __call__(self, connection, _, stream, __):
        named = frames.indexed(62) if self.answered else b""
        connection.sendall(
            frames.headers(stream, frames.block(OK, TYPE) + named, ends=False)
            + frames.data(stream, GOOD)
            + frames.headers(stream, frames.literal(b"x-kept", b"%d" % self.answered, remembered=True))
            + frames.data(stream, b"more")
            + frames.window_update(stream, 100)
            + frames.reset(stream)
        )
        self.answered += 1


class Heads:
    """Decodes heads as one does who allows a table of so many bytes."""

    def __init__(self, size: int):
        self.size, self.heads, self._decoder = size, [], hpack.Decoder()

    def note(self, frame) -> None:
        if frame.kind == frames.SETTINGS and frame.flags & frames.ACK:
            # From here on the edge keeps to it; a head may have gone out before.
            self._decoder.max_allowed_table_size = min(self.size, 4096)
        if frame.kind == frames.HEADERS:
            self.heads.append(dict(self._decoder.decode(frame.payload)))


class Bodies:
    def __init__(self):
        self.sizes, self.large_began = [], threading.Event()
        self._bodies: dict[int, bytes] = {}

    def note(self, frame) -> None:
        if frame.kind == frames.DATA:
            self.sizes.append(len(frame.payload))
            self._bodies[frame.stream] = self._bodies.get(frame.stream, b"") + frame.payload
            if len(frame.payload) > 10_000:
                self.large_began.set()

    @property
    def last(self) -> bytes:
        return self._bodies[max(self._bodies)]


class Narrow:
    """Takes a body through a window that it lowers below zero and opens again, and says what came when."""

    def __init__(self):
        self.before, self.after_lowering, self.at_zero = 0, None, None
        self.body = b""
        self.done = threading.Event()

    def __call__(self, connection):
        reader, encoder = frames.FrameReader(), hpack.Encoder()
        connection.sendall(frames.settings())
        data = b""
        while len(data) < len(frames.PREFACE):
            data += connection.recv(1 << 16)
        pending, step = reader.feed(data[len(frames.PREFACE) :]), 0
        # The connection's window is no matter here.
        connection.sendall(frames.window_update(0, 1 << 24))
        while not self.done.is_set():
            for frame in pending:
                if frame.kind == frames.SETTINGS and not frame.flags & frames.ACK:
                    connection.sendall(frames.frame(frames.SETTINGS, frames.ACK))
                if frame.kind == frames.DATA:
                    self.body += frame.payload
                    if frame.flags & frames.END_STREAM:
                        connection.sendall(h2_head(encoder, frame.stream) + frames.data(frame.stream, GOOD))
                        self.done.set()
                    elif step == 0 and len(self.body) == 65_535:
                        step, self.before = 1, len(self.body)
                        # 1,000 - 65,535 are left.
                        lowered = frames.settings((frames.INITIAL_WINDOW_SIZE, 1_000))
                        connection.sendall(lowered + frames.ping(b"lowered!"))
                if frame.kind == frames.PING and frame.flags & frames.ACK and frame.payload == b"lowered!":
                    self.after_lowering = len(self.body)
                    opened = frames.window_update(1, 65_535 - 1_000)
                    connection.sendall(opened + frames.ping(b"at zero!"))
                if frame.kind == frames.PING and frame.flags & frames.ACK and frame.payload == b"at zero!":
                    self.at_zero = len(self.body)
                    connection.sendall(frames.settings((frames.INITIAL_WINDOW_SIZE, 1 << 20)))
            data = connection.recv(1 << 16)
            if not data:
                return
            pending = reader.feed(data)
        connection.recv(1)


ODD = {"byte-by-byte": byte_by_byte, "padded": padded, "between-strangers": between_strangers}
TABLES = {f"table-{size}": Heads(size) for size in (0, 100, 4095, 4096, 65_536)}
WIDE, TIGHT, NARROW = Bodies(), Bodies(), Narrow()
LARGE_FRAMES = ((frames.MAX_FRAME_SIZE, 1 << 20), (frames.INITIAL_WINDOW_SIZE, 1 << 20))


@pytest.fixture(scope="module")
def place(world, tmp_path_factory):
    """An edge, the models by the names of their upstreams, and these."""
    serving = {
        **{name: H2Upstream(answer) for name, answer in ODD.items()},
        **{
            name: H2Upstream(None, (frames.HEADER_TABLE_SIZE, table.size), noting=table.note)
            for name, table in TABLES.items()
        },
        "late": H2Upstream(Late()),
        "large-frames": H2Upstream(None, *LARGE_FRAMES, noting=WIDE.note),
        "never-wider": H2Upstream(noting=TIGHT.note),
        "narrow": NARROW,
    }
    with contextlib.ExitStack() as stack:
        raw = {name: stack.enter_context(RawUpstream(serve)) for name, serve in serving.items()}
        edge = stack.enter_context(edge_beside(world, tmp_path_factory.mktemp("frames"), workers=1))
        options = {name: {"url": upstream.url(), "http_version": "http2"} for name, upstream in raw.items()}
        yield edge, add_models(world, options, [edge]), raw


def ask(world, place, name: str, **more):
    edge, models, _ = place
    with world.http(edge) as client:
        return client.post("/chat/completions", json=chat_request(models[name], **more), timeout=60)


@pytest.mark.parametrize("name", ODD)
def test_an_answer_arrives_whole_however_it_is_framed(world, place, name):
    got = [ask(world, place, name) for _ in range(3)]
    assert [(one.status_code, one.content) for one in got] == [(200, GOOD)] * 3
    assert place[2][name].connections == 1


def test_what_still_comes_on_a_stream_that_is_over_is_passed_over_and_its_table_kept(world, place):
    got = [ask(world, place, "late") for _ in range(3)]
    assert [one.content for one in got] == [GOOD] * 3
    assert [one.headers.get("x-kept") for one in got] == [None, "0", "1"]
    assert place[2]["late"].connections == 1


@pytest.mark.parametrize("name", TABLES)
def test_requests_keep_to_the_table_that_the_upstream_allows(world, place, name):
    assert [ask(world, place, name).content for _ in range(3)] == [GOOD] * 3
    heads = TABLES[name].heads
    assert [(head[":method"], head[":path"]) for head in heads] == [("POST", "/v1/chat/completions")] * 3


def test_frames_stay_as_small_as_everybody_takes_them(world, place):
    assert ask(world, place, "large-frames").content == GOOD
    assert ask(world, place, "large-frames", user="u" * 300_000).content == GOOD
    assert max(WIDE.sizes) <= 16_384
    assert json.loads(WIDE.last)["user"] == "u" * 300_000


def test_a_body_waits_for_a_window_that_was_lowered_below_zero(world, place):
    assert ask(world, place, "narrow", user="u" * 200_000).content == GOOD
    assert (NARROW.before, NARROW.after_lowering, NARROW.at_zero) == (65_535, 65_535, 65_535)
    assert json.loads(NARROW.body)["user"] == "u" * 200_000


def test_a_body_that_waits_for_its_window_keeps_no_other_waiting(world, place):
    """Of the large one 65,535 bytes go out; the upstream never opens its stream's window."""
    got = []

    def ask_much():
        try:
            got.append(ask(world, place, "never-wider", user="u" * 100_000))
        except Exception as error:  # noqa: BLE001
            got.append(error)

    threading.Thread(target=ask_much, daemon=True).start()
    assert TIGHT.large_began.wait(20)
    assert [ask(world, place, "never-wider").content for _ in range(5)] == [GOOD] * 5
    assert not got
    assert place[2]["never-wider"].connections == 1
