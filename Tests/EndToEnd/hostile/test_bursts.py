"""A hundred requests that come in one piece. The edge begins them some at a time and lets others have their turn; none is
lost or mixed up with another, whether their bodies are with them, and wherever the piece ends."""

import pytest

from . import frames
from .conftest import DEFAULTS
from .connection import Connection, target_of
from .floods import stream_of

REQUESTS = 100
"""LIMITS: concurrent streams of a connection. The edge begins a quarter of them at once."""
STREAMS = [stream_of(index) for index in range(REQUESTS)]


# Room for all answers of the connection together.
OPENING = frames.PREFACE + frames.settings() + frames.window_update(0, 2**30)


@pytest.fixture
def target(world):
    return target_of(world, world.edge(DEFAULTS))


@pytest.fixture
def connection(target):
    with Connection(target, opening=OPENING) as connection:
        yield connection


def whole_answers(connection) -> list[int]:
    connection.until(lambda: len(connection.ended) == REQUESTS or connection.closed)
    assert not connection.resets and not connection.goaways
    return [connection.statuses.get(stream) for stream in STREAMS]


def test_each_of_a_hundred_in_one_piece_is_answered(connection, target):
    block = target.models()
    connection.send(b"".join(frames.headers(stream, block) for stream in STREAMS))
    assert whole_answers(connection) == [200] * REQUESTS
    assert len({bytes(body) for body in connection.bodies.values()}) == 1


def test_bodies_behind_the_heads_go_with_their_own(connection, target, scripted):
    head = target.chat()
    pieces = [
        frames.headers(stream, head, ends=False) + frames.data(stream, target.body(f"request {stream}"))
        for stream in STREAMS
    ]
    connection.send(b"".join(pieces))
    assert whole_answers(connection) == [200] * REQUESTS
    asked = [exchange.request.json["messages"][0]["content"] for exchange in scripted.exchanges]
    assert sorted(asked) == sorted(f"request {stream}" for stream in STREAMS)


def test_a_piece_that_ends_within_a_head_goes_on_with_the_next(connection, target):
    block = target.models()
    whole = b"".join(frames.headers(stream, block) for stream in STREAMS)
    # In the midst of the thirtieth head, of which the edge has read nothing when it pauses.
    cut = len(frames.headers(1, block)) * 30 - 7
    connection.send(whole[:cut])
    connection.send(whole[cut:])
    assert whole_answers(connection) == [200] * REQUESTS
