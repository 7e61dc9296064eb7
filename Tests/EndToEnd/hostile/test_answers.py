"""Upstreams whose answers break a rule of HTTP/2: a stream's rule costs that stream, the connection's costs the
connection, each with the code that the protocol has for it, and nobody takes half an answer for a whole one."""

import contextlib
import threading

import pytest
from devfleet.processes import wait_until
from edge_beside import edge_beside, metric
from raw_upstream import GOOD, H2Upstream, RawUpstream, h2_head
from test_rollouts import settled
from upstream_models import add_models
from world import chat_request

from . import frames

POISON = b"poison"
STREAM_CLOSED, FRAME_SIZE_ERROR = 5, 6
LARGEST = (1 << 31) - 1
OK = (b":status", b"200")
TYPE = (b"content-type", b"application/json")


def says(*fields: tuple[bytes, bytes], body: bytes | None = GOOD, ends=False):
    """A head of these fields, and a body."""

    def attack(connection, _, stream):
        head = frames.headers(stream, frames.block(*fields), ends=ends)
        connection.sendall(head + (b"" if body is None else frames.data(stream, body)))

    return attack


def sends(make):
    """What `make` makes of the stream's number, and a good answer behind it."""

    def attack(connection, encoder, stream):
        connection.sendall(make(stream) + h2_head(encoder, stream) + frames.data(stream, GOOD))

    return attack


def behind_the_head(make):
    def attack(connection, encoder, stream):
        connection.sendall(h2_head(encoder, stream) + make(stream))

    return attack


def length(value: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", value)


STREAM_ERRORS = {
    "no status": (says(TYPE), frames.PROTOCOL_ERROR),
    "no fields": (says(), frames.PROTOCOL_ERROR),
    "status 101": (says((b":status", b"101")), frames.PROTOCOL_ERROR),
    "status of two digits": (says((b":status", b"20")), frames.PROTOCOL_ERROR),
    "status that is no number": (says((b":status", b"2x0")), frames.PROTOCOL_ERROR),
    "two statuses": (says(OK, OK), frames.PROTOCOL_ERROR),
    "late status": (says(TYPE, OK), frames.PROTOCOL_ERROR),
    "pseudo field of a request": (says(OK, (b":path", b"/")), frames.PROTOCOL_ERROR),
    "upper case": (says(OK, (b"Content-Type", b"text/plain")), frames.PROTOCOL_ERROR),
    "space in a name": (says(OK, (b"a b", b"c")), frames.PROTOCOL_ERROR),
    "line end in a value": (says(OK, (b"a", b"b\r\nc: d")), frames.PROTOCOL_ERROR),
    "zero in a value": (says(OK, (b"a", b"b\0c")), frames.PROTOCOL_ERROR),
    "space before a value": (says(OK, (b"a", b" b")), frames.PROTOCOL_ERROR),
    "connection": (says(OK, (b"connection", b"close")), frames.PROTOCOL_ERROR),
    "transfer-encoding": (says(OK, (b"transfer-encoding", b"chunked")), frames.PROTOCOL_ERROR),
    "two lengths": (says(OK, length(b"%d" % len(GOOD)), length(b"%d" % len(GOOD))), frames.PROTOCOL_ERROR),
    "length that is no number": (says(OK, length(b"-1")), frames.PROTOCOL_ERROR),
    "body beyond its length": (says(OK, TYPE, length(b"%d" % (len(GOOD) - 1))), frames.PROTOCOL_ERROR),
    "body short of its length": (says(OK, TYPE, length(b"%d" % (len(GOOD) + 1))), frames.PROTOCOL_ERROR),
    "no body, and a length": (says(OK, TYPE, length(b"5"), body=None, ends=True), frames.PROTOCOL_ERROR),
    "body of a 204": (says((b":status", b"204")), frames.PROTOCOL_ERROR),
    "body of a 304": (says((b":status", b"304"), length(b"%d" % len(GOOD))), frames.PROTOCOL_ERROR),
    "end with information": (says((b":status", b"103"), body=None, ends=True), frames.PROTOCOL_ERROR),
    "body behind information": (says((b":status", b"103")), frames.PROTOCOL_ERROR),
    "trailers that end nothing": (
        behind_the_head(
            lambda stream: frames.data(stream, GOOD, ends=False)
            + frames.headers(stream, frames.block((b"x", b"y")), ends=False)
        ),
        frames.PROTOCOL_ERROR,
    ),
    "status in trailers": (
        behind_the_head(
            lambda stream: frames.data(stream, GOOD, ends=False) + frames.headers(stream, frames.block(OK))
        ),
        frames.PROTOCOL_ERROR,
    ),
    "stream's window beyond all": (
        sends(lambda stream: frames.window_update(stream, LARGEST)),
        frames.FLOW_CONTROL_ERROR,
    ),
    "more than the stream's window": (
        behind_the_head(lambda stream: frames.data(stream, b" " * 16_000, ends=False) * 500),
        frames.FLOW_CONTROL_ERROR,
    ),
}

IDLE = 1001

CONNECTION_ERRORS = {
    "DATA before a head": (lambda stream: frames.data(stream, GOOD), frames.PROTOCOL_ERROR),
    "DATA on no stream": (lambda _: frames.data(0, GOOD), frames.PROTOCOL_ERROR),
    "DATA on an idle stream": (lambda _: frames.data(IDLE, GOOD), frames.PROTOCOL_ERROR),
    "head on an idle stream": (lambda _: frames.headers(IDLE, frames.block(OK)), frames.PROTOCOL_ERROR),
    "head on a stream of its own": (lambda _: frames.headers(2, frames.block(OK)), frames.PROTOCOL_ERROR),
    "reset of an idle stream": (lambda _: frames.reset(IDLE), frames.PROTOCOL_ERROR),
    "window of an idle stream": (lambda _: frames.window_update(IDLE, 1), frames.PROTOCOL_ERROR),
    "no more window": (lambda _: frames.window_update(0, 0), frames.PROTOCOL_ERROR),
    "window beyond all": (lambda _: frames.window_update(0, LARGEST), frames.FLOW_CONTROL_ERROR),
    "frame too large": (lambda stream: frames.data(stream, b" " * 16_385), FRAME_SIZE_ERROR),
    "padding beyond its frame": (
        lambda stream: frames.headers(stream, frames.block(OK), ends=False)
        + frames.frame(frames.DATA, frames.PADDED, stream, b"\x03ab"),
        frames.PROTOCOL_ERROR,
    ),
    "padding beyond its head": (
        lambda stream: frames.frame(frames.HEADERS, frames.PADDED | frames.END_HEADERS, stream, b"\xff\x88"),
        frames.PROTOCOL_ERROR,
    ),
    "head that is interrupted": (
        lambda stream: frames.headers(stream, frames.block(OK), ends=False, flags=0) + frames.ping(),
        frames.PROTOCOL_ERROR,
    ),
    "head that goes on elsewhere": (
        lambda stream: frames.headers(stream, frames.block(OK), ends=False, flags=0)
        + frames.frame(frames.CONTINUATION, frames.END_HEADERS, stream + 2, frames.block(TYPE)),
        frames.PROTOCOL_ERROR,
    ),
    "going on with no head": (
        lambda stream: frames.frame(frames.CONTINUATION, frames.END_HEADERS, stream, frames.block(OK)),
        frames.PROTOCOL_ERROR,
    ),
    "block that is none": (lambda stream: frames.headers(stream, b"\xff" * 20), frames.COMPRESSION_ERROR),
    "block that ends early": (lambda stream: frames.headers(stream, b"\x88\x00\x05ab"), frames.COMPRESSION_ERROR),
    "field that nobody has": (lambda stream: frames.headers(stream, frames.indexed(100)), frames.COMPRESSION_ERROR),
    "short PING": (lambda _: frames.ping(b"1234"), FRAME_SIZE_ERROR),
    "PING on a stream": (lambda stream: frames.frame(frames.PING, 0, stream, b"12345678"), frames.PROTOCOL_ERROR),
    "short WINDOW_UPDATE": (lambda _: frames.frame(frames.WINDOW_UPDATE, payload=b"\0\0\1"), FRAME_SIZE_ERROR),
    "short SETTINGS": (lambda _: frames.frame(frames.SETTINGS, payload=b"\0\3\0\0\0"), FRAME_SIZE_ERROR),
    "unasked acknowledgement": (
        lambda _: frames.frame(frames.SETTINGS, frames.ACK) + frames.frame(frames.SETTINGS, frames.ACK),
        frames.PROTOCOL_ERROR,
    ),
    "push allowed": (lambda _: frames.settings((frames.ENABLE_PUSH, 1)), frames.PROTOCOL_ERROR),
    "push": (
        lambda stream: frames.frame(
            frames.PUSH_PROMISE, frames.END_HEADERS, stream, b"\0\0\0\2" + frames.block((b":method", b"GET"))
        ),
        frames.PROTOCOL_ERROR,
    ),
    "windows beyond all": (
        lambda _: frames.settings((frames.INITIAL_WINDOW_SIZE, LARGEST + 1)),
        frames.FLOW_CONTROL_ERROR,
    ),
    "windows that overflow": (
        lambda stream: frames.window_update(stream, 70_000) + frames.settings((frames.INITIAL_WINDOW_SIZE, LARGEST)),
        frames.FLOW_CONTROL_ERROR,
    ),
    "frames too small": (lambda _: frames.settings((frames.MAX_FRAME_SIZE, 16_383)), frames.PROTOCOL_ERROR),
    "too many settings": (
        lambda _: frames.settings(*[(frames.MAX_FRAME_SIZE, 16_384)] * 33),
        frames.ENHANCE_YOUR_CALM,
    ),
    "GOAWAY at a stream of its own": (lambda _: frames.goaway(2), frames.PROTOCOL_ERROR),
    "GOAWAY that takes back": (lambda stream: frames.goaway(stream) + frames.goaway(stream + 2), frames.PROTOCOL_ERROR),
}


class Watched:
    """An upstream that attacks whoever asks with poison, and the frames that it has been sent."""

    def __init__(self, attack):
        self._attack, self._lock = attack, threading.Lock()
        self._seen: list[frames.Frame] = []
        self.raw = RawUpstream(H2Upstream(self._answer, noting=self._note))

    def _answer(self, connection, encoder, stream, body):
        if POISON in body:
            return self._attack(connection, encoder, stream)
        connection.sendall(h2_head(encoder, stream) + frames.data(stream, GOOD))

    def _note(self, frame) -> None:
        with self._lock:
            if frame.kind in (frames.RST_STREAM, frames.GOAWAY):
                self._seen.append(frame)

    def codes(self, kind: int) -> list[int]:
        with self._lock:
            return [int.from_bytes(frame.payload[-4:]) for frame in self._seen if frame.kind == kind]


@pytest.fixture(scope="module")
def upstreams(world, tmp_path_factory):
    attacks = {name: attack for name, (attack, _) in STREAM_ERRORS.items()}
    attacks["promise"] = attacks["no body, and a length"]
    attacks |= {name: sends(make) for name, (make, _) in CONNECTION_ERRORS.items()}
    with contextlib.ExitStack() as stack:
        watched = {name: Watched(attack) for name, attack in attacks.items()}
        for one in watched.values():
            stack.enter_context(one.raw)
        edge = stack.enter_context(
            edge_beside(world, tmp_path_factory.mktemp("answers"), {"time_to_first_byte_seconds": 8}, workers=1)
        )
        labels = {name: f"answer-{number}" for number, name in enumerate(attacks)}
        options = {labels[name]: {"url": one.raw.url(), "http_version": "http2"} for name, one in watched.items()}
        models = add_models(world, options, [edge])
        # Failures must not take the models back.
        settled(world)
        yield edge, {name: models[label] for name, label in labels.items()}, watched


def ask(world, edge, model: str, content="Hello"):
    with world.http(edge) as client:
        return client.post("/chat/completions", json=chat_request(model, content=content), timeout=60)


def attacked(world, edge, model: str) -> None:
    """Neither an error nor a broken answer is taken for a good one."""
    try:
        got = ask(world, edge, model, POISON.decode())
    except Exception:  # noqa: BLE001
        return
    # A 204 or 304 has no body: its head may have gone on before one came.
    assert got.status_code in (502, 204, 304)


def test_a_head_that_ends_before_the_body_that_it_promises_is_no_answer(world, upstreams):
    edge, models, _ = upstreams
    got = ask(world, edge, models["promise"], POISON.decode())
    assert got.status_code == 502
    assert "error" in got.json()


@pytest.mark.parametrize("name", STREAM_ERRORS)
def test_an_answer_that_is_none_costs_its_stream(world, upstreams, name):
    edge, models, watched = upstreams
    upstream = watched[name]
    assert ask(world, edge, models[name]).content == GOOD
    attacked(world, edge, models[name])
    wait_until(lambda: upstream.codes(frames.RST_STREAM), "the stream is reset")
    assert upstream.codes(frames.RST_STREAM) == [STREAM_ERRORS[name][1]]
    assert ask(world, edge, models[name]).content == GOOD
    assert upstream.codes(frames.GOAWAY) == []
    assert upstream.raw.connections == 1


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_a_broken_connection_is_left_with_its_reason(world, upstreams, name):
    edge, models, watched = upstreams
    upstream = watched[name]
    cuts = lambda: metric(edge, "strait_edge_upstream_cuts_total", reason="protocol_error")  # noqa: E731
    assert ask(world, edge, models[name]).content == GOOD
    before = cuts()
    attacked(world, edge, models[name])
    wait_until(lambda: upstream.codes(frames.GOAWAY), "the connection is left")
    code = CONNECTION_ERRORS[name][1]
    # A request that had not begun to be answered is tried again, and meets the same.
    assert set(upstream.codes(frames.GOAWAY)) == {code}
    wait_until(lambda: cuts() > before, "the cut is counted")
    assert ask(world, edge, models[name]).content == GOOD
    assert upstream.raw.connections > 1
