"""Upstreams that attack the edge: each is cut or let wait within its limit's number, and whoever uses the same upstream
beside the attack gets whole answers."""

import concurrent.futures
import contextlib

import pytest
from devfleet.processes import wait_until
from edge_beside import edge_beside, metric
from raw_upstream import GOOD, H2Upstream, RawUpstream, answer, h2_head as head, read_request
from upstream_models import add_models
from world import chat_request

from . import frames

POISON = b"poison"
"""Whatever asks with this is attacked; all others get good answers."""
VICTIMS = 40
LIMITS = {"time_to_first_byte_seconds": 4, "upstream_connect_seconds": 3}
MEMORY_BYTES = 64 << 20


def poisonous(attack):
    def answer_or_attack(connection, encoder, stream, body):
        if POISON in body:
            return attack(connection, encoder, stream)
        connection.sendall(head(encoder, stream) + frames.data(stream, GOOD))

    return answer_or_attack


def flood(frame: bytes, count: int):
    def attack(connection, _, stream):
        for _ in range(count // 100):
            connection.sendall(frame * 100)

    return attack


def empty_data(connection, encoder, stream):
    connection.sendall(head(encoder, stream))
    for _ in range(100):
        connection.sendall(frames.data(stream, ends=False) * 100)


def endless_head(connection, _, stream):
    """A block in CONTINUATION frames that never ends."""
    connection.sendall(frames.headers(stream, frames.literal(b"a", b"b" * 1000), ends=False, flags=0))
    for number in range(10_000):
        block = frames.literal(b"x-%d" % number, b"y" * 1000)
        connection.sendall(frames.frame(frames.CONTINUATION, 0, stream, block))


def large_head(connection, encoder, stream):
    block = encoder.encode([(":status", "200"), *((f"x-{number}", "y" * 1000) for number in range(40))], huffman=False)
    # In frames of the size that everybody takes.
    pieces = [block[start : start + 16_000] for start in range(0, len(block), 16_000)]
    connection.sendall(frames.headers(stream, pieces[0], ends=False, flags=0))
    for piece in pieces[1:]:
        end = frames.END_HEADERS if piece is pieces[-1] else 0
        connection.sendall(frames.frame(frames.CONTINUATION, end, stream, piece))
    connection.sendall(frames.data(stream, GOOD))


def many_fields(connection, encoder, stream):
    connection.sendall(head(encoder, stream, *((f"x-{number}", "y") for number in range(150))) + frames.data(stream, GOOD))


def split_by_value(connection, encoder, stream):
    """A field that would be two, and then another answer, if it were written down as it is."""
    split = ("x-split", "a\r\nset-cookie: stolen=1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    connection.sendall(head(encoder, stream, split) + frames.data(stream, GOOD))


# The attack, what the peer says in its SETTINGS, and by what reason its connection is cut; none where only the stream is.
HTTP2 = {
    "pings": (flood(frames.ping(), 20_000), (), "ping_flood"),
    "settings": (flood(frames.settings(), 20_000), (), "settings_flood"),
    "empty DATA": (empty_data, (), "empty_data_flood"),
    "window updates": (flood(frames.window_update(0, 1), 50_000), (), "window_update_flood"),
    "priorities": (flood(frames.priority(99), 50_000), (), "priority_flood"),
    "unknown frames": (flood(frames.frame(frames.UNKNOWN, payload=b"z" * 1000), 20_000), (), "overhead"),
    "endless head": (endless_head, (), "protocol_error"),
    "large head": (large_head, (), None),
    "many fields": (many_fields, (), None),
    "split answer": (split_by_value, (), None),
    "a push": (flood(frames.frame(frames.PUSH_PROMISE, frames.END_HEADERS, 1, b"\0\0\0\2"), 100), (), "protocol_error"),
}


def http1(attack):
    def serve(connection):
        while (request := read_whole(connection)) is not None:
            if POISON in request:
                return attack(connection)
            answer(connection)

    return serve


def read_whole(connection) -> bytes | None:
    data = b""

    class Seen:
        def recv(self, size):
            nonlocal data
            piece = connection.recv(size)
            data += piece
            return piece

    return None if read_request(Seen()) is None else data


def http1_endless_head(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 100))


def http1_endless_line(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    for _ in range(10_000):
        connection.sendall(b"y" * 1000)


def http1_two_answers(connection):
    """What comes behind an answer is nobody's, and never the next one's."""
    stolen = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n" + b'{"stolen": true}'
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
    connection.sendall(b"content-length: %d\r\n\r\n%s%s" % (len(GOOD), GOOD, stolen))


def http1_bare_line_feeds(connection):
    connection.sendall(b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}")


def http1_two_lengths(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")


def http1_endless_extensions(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;")
    for _ in range(1000):
        connection.sendall(b"a" * 1000)


def http1_endless_trailers(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
    for number in range(10_000):
        connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 100))


HTTP1 = {
    "endless head": http1_endless_head,
    "endless line": http1_endless_line,
    "two answers": http1_two_answers,
    "bare line feeds": http1_bare_line_feeds,
    "two lengths": http1_two_lengths,
    "endless extensions": http1_endless_extensions,
    "endless trailers": http1_endless_trailers,
}


@pytest.fixture(scope="module")
def upstreams(world, tmp_path_factory):
    """All of them at once, each under a model of its own, behind one edge."""
    with contextlib.ExitStack() as stack:
        raw = {
            **{f"h2 {name}": RawUpstream(H2Upstream(poisonous(attack), *said)) for name, (attack, said, _) in HTTP2.items()},
            **{f"h1 {name}": RawUpstream(http1(attack)) for name, attack in HTTP1.items()},
            **{f"h2 takes {most}": RawUpstream(H2Upstream(None, (frames.MAX_CONCURRENT_STREAMS, most))) for most in (0, 1)},
        }
        for upstream in raw.values():
            stack.enter_context(upstream)
        edge = stack.enter_context(edge_beside(world, tmp_path_factory.mktemp("hostile-upstreams"), LIMITS))
        options = {
            name.replace(" ", "-").lower(): {
                "url": upstream.url(),
                "http_version": "http2" if name.startswith("h2") else "http1",
            }
            for name, upstream in raw.items()
        }
        models = add_models(world, options, [edge])
        yield edge, {name: models[name.replace(" ", "-").lower()] for name in raw}, raw


def ask(world, edge, model: str, content="Hello", timeout=60):
    with world.http(edge) as client:
        return client.post("/chat/completions", json=chat_request(model, content=content), timeout=timeout)


def beside_victims(world, edge, model: str):
    """The attacked answer, and those of others that ask the same upstream at the same time, before and after it."""
    memory = lambda: metric(edge, "strait_edge_memory_bytes")  # noqa: E731
    before, pid = memory(), edge.child.pid
    with concurrent.futures.ThreadPoolExecutor(VICTIMS + 1) as pool:
        victims = [pool.submit(ask, world, edge, model) for _ in range(VICTIMS // 2)]
        attacked = pool.submit(_attacked, world, edge, model)
        victims += [pool.submit(ask, world, edge, model) for _ in range(VICTIMS // 2)]
        got = [victim.result() for victim in victims]
        attacked = attacked.result()
    after = ask(world, edge, model)
    assert edge.child.running and edge.child.pid == pid
    assert memory() - before < MEMORY_BYTES
    return attacked, [*got, after]


def _attacked(world, edge, model):
    try:
        return ask(world, edge, model, POISON.decode())
    except Exception as error:  # noqa: BLE001
        return error


@pytest.mark.parametrize("name", HTTP2)
def test_over_http2(world, upstreams, name):
    edge, models, _ = upstreams
    reason = HTTP2[name][2]
    cuts = lambda: metric(edge, "strait_edge_upstream_cuts_total", reason=reason)  # noqa: E731
    before = cuts()
    attacked, others = beside_victims(world, edge, models[f"h2 {name}"])
    # A connection that is cut takes its other requests with it, which have reached the upstream and are not sent again
    # where an answer has begun; none of them looks whole and is not.
    wrong = [got for got in others if got.status_code == 200 and got.content != GOOD]
    assert not wrong
    assert others[-1].status_code == 200
    if reason:
        wait_until(lambda: cuts() > before, f"the connection is cut for {reason}")
    else:
        # The stream's own fault: nobody else on the connection is touched.
        assert [got.status_code for got in others] == [200] * len(others)
        assert getattr(attacked, "status_code", 502) == 502


@pytest.mark.parametrize("name", HTTP1)
def test_over_http1(world, upstreams, name):
    edge, models, _ = upstreams
    attacked, others = beside_victims(world, edge, models[f"h1 {name}"])
    assert [(got.status_code, got.content) for got in others] == [(200, GOOD)] * len(others)
    if name == "two answers":
        assert attacked.content == GOOD
    else:
        # A head that is no good is a 502; a body that turns out so later is cut.
        assert getattr(attacked, "status_code", 502) == 502


def test_an_upstream_that_takes_one_request_at_a_time_gets_one_at_a_time(world, upstreams):
    edge, models, _ = upstreams
    with concurrent.futures.ThreadPoolExecutor(VICTIMS) as pool:
        got = list(pool.map(lambda _: ask(world, edge, models["h2 takes 1"]), range(VICTIMS)))
    assert [(one.status_code, one.content) for one in got] == [(200, GOOD)] * VICTIMS


def test_an_upstream_that_takes_none_is_waited_for_no_longer_than_a_first_byte(world, upstreams):
    edge, models, raw = upstreams
    with concurrent.futures.ThreadPoolExecutor(VICTIMS) as pool:
        got = list(pool.map(lambda _: ask(world, edge, models["h2 takes 0"]), range(VICTIMS)))
    # Some go out before the upstream has said so, and it has answered those: as many as it is slow to say it.
    assert {(one.status_code, one.content == GOOD) for one in got} <= {(200, True), (504, False)}
    # It costs no flood of connections either.
    assert raw["h2 takes 0"].connections <= VICTIMS
    # The control: the edge serves everybody else.
    assert ask(world, edge, models["h2 takes 1"]).status_code == 200
