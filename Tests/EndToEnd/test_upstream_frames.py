"""Upstreams that use HTTP/2 to its edges and break no rule: every answer and every request arrives whole."""

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


@pytest.fixture(scope="module")
def edge(world, tmp_path_factory):
    with edge_beside(world, tmp_path_factory.mktemp("frames"), workers=1) as edge:
        yield edge


def ask(world, edge, model: str, **more):
    with world.http(edge) as client:
        return client.post("/chat/completions", json=chat_request(model, **more), timeout=60)


def model_at(world, edge, upstream: RawUpstream) -> str:
    return add_models(world, {"frames": {"url": upstream.url(), "http_version": "http2"}}, [edge])["frames"]


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


@pytest.mark.parametrize("answer", [byte_by_byte, padded, between_strangers])
def test_an_answer_arrives_whole_however_it_is_framed(world, edge, answer):
    with RawUpstream(H2Upstream(answer)) as upstream:
        model = model_at(world, edge, upstream)
        got = [ask(world, edge, model) for _ in range(3)]
    assert [(one.status_code, one.content) for one in got] == [(200, GOOD)] * 3
    assert upstream.connections == 1


def test_what_still_comes_on_a_stream_that_is_over_is_passed_over_and_its_table_kept(world, edge):
    """The name that a late head puts into the table is what the next answer refers to."""
    answered = []

    def answer(connection, _, stream, __):
        named = frames.indexed(62) if answered else b""
        connection.sendall(
            frames.headers(stream, frames.block(OK, TYPE) + named, ends=False)
            + frames.data(stream, GOOD)
            + frames.headers(stream, frames.literal(b"x-kept", b"%d" % len(answered), remembered=True))
            + frames.data(stream, b"more")
            + frames.window_update(stream, 100)
            + frames.reset(stream)
        )
        answered.append(stream)

    with RawUpstream(H2Upstream(answer)) as upstream:
        model = model_at(world, edge, upstream)
        got = [ask(world, edge, model) for _ in range(3)]
    assert [one.content for one in got] == [GOOD] * 3
    assert [one.headers.get("x-kept") for one in got] == [None, "0", "1"]
    assert upstream.connections == 1


@pytest.mark.parametrize("size", [0, 100, 4095, 4096, 65_536])
def test_requests_keep_to_the_table_that_the_upstream_allows(world, edge, size):
    heads, decoder = [], hpack.Decoder()

    def note(frame):
        if frame.kind == frames.SETTINGS and frame.flags & frames.ACK:
            # From here on the edge keeps to it; a head may have gone out before.
            decoder.max_allowed_table_size = min(size, 4096)
        if frame.kind == frames.HEADERS:
            heads.append(dict(decoder.decode(frame.payload)))

    with RawUpstream(H2Upstream(None, (frames.HEADER_TABLE_SIZE, size), noting=note)) as upstream:
        model = model_at(world, edge, upstream)
        for _ in range(3):
            assert ask(world, edge, model).content == GOOD
    assert [head[":path"] for head in heads] == ["/v1/chat/completions"] * 3
    assert {head[":method"] for head in heads} == {"POST"}


def test_frames_stay_as_small_as_everybody_takes_them(world, edge):
    sizes, bodies = [], {}

    def note(frame):
        if frame.kind == frames.DATA:
            sizes.append(len(frame.payload))
            bodies[frame.stream] = bodies.get(frame.stream, b"") + frame.payload

    said = ((frames.MAX_FRAME_SIZE, 1 << 20), (frames.INITIAL_WINDOW_SIZE, 1 << 20))
    with RawUpstream(H2Upstream(None, *said, noting=note)) as upstream:
        model = model_at(world, edge, upstream)
        assert ask(world, edge, model).content == GOOD
        assert ask(world, edge, model, user="u" * 300_000).content == GOOD
    assert max(sizes) <= 16_384
    assert json.loads(bodies[max(bodies)])["user"] == "u" * 300_000


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
                        connection.sendall(frames.settings((frames.INITIAL_WINDOW_SIZE, 1_000)) + frames.ping(b"lowered!"))
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


def test_a_body_waits_for_a_window_that_was_lowered_below_zero(world, edge):
    narrow = Narrow()
    with RawUpstream(narrow) as upstream:
        model = model_at(world, edge, upstream)
        got = ask(world, edge, model, user="u" * 200_000)
    assert got.content == GOOD
    assert (narrow.before, narrow.after_lowering, narrow.at_zero) == (65_535, 65_535, 65_535)
    assert json.loads(narrow.body)["user"] == "u" * 200_000


def test_one_large_body_does_not_keep_others_waiting(world, edge):
    """The large one waits for its own window, and so do those behind it only where they have none."""
    large_began = threading.Event()

    def note(frame):
        if frame.kind == frames.DATA and len(frame.payload) > 10_000:
            large_began.set()

    answers = H2Upstream(None, noting=note)
    with RawUpstream(answers) as upstream:
        model = model_at(world, edge, upstream)
        got = []

        def ask_much():
            try:
                got.append(ask(world, edge, model, user="u" * 100_000))
            except Exception as error:  # noqa: BLE001
                got.append(error)

        # Of the large body 65,535 bytes go out; the upstream never opens its stream's window.
        large = threading.Thread(target=ask_much, daemon=True)
        large.start()
        assert large_began.wait(20)
        assert [ask(world, edge, model).content for _ in range(5)] == [GOOD] * 5
        assert not got
    large.join(30)
    assert upstream.connections >= 1
