"""What one side does not take, the edge does not take from the other: its buffers are bounded, whatever waits.

Nothing here is judged by the clock. That an upstream is not read any more is seen from this: nothing more leaves it
while the same worker serves many others."""

import concurrent.futures
import contextlib
import re
import socket
import threading
import zlib

import pytest
from edge_beside import edge_beside
from http_clients import Http2Client, chat_body, client_of
from scripted import WAYS, at_head, scripts
from uploads import PartialRequest, Pump, large_body, pump_until_still, taking_all

MUCH = b'"' + b"0123456789abcdef" * (2 << 20) + b'"'
LATE = b'"' + b"0123456789abcdef" * (1 << 16) + b'"'
# Of each the edge holds up to a quarter of a megabyte: all together less than `held_answer_bytes`.
LATE_READERS = 40
# What the kernel holds of a loopback connection between the edge and somebody who does not read.
KERNEL_BYTES = 12 << 20
# An HTTP/2 upstream is held back by the stream's window, an HTTP/2 client holds the edge back by its own.
WINDOW_BYTES = 1 << 20
OTHERS = 20
HELD_BYTES = 4 << 20


@pytest.fixture(scope="module")
def edge(world, tmp_path_factory):
    """One worker, so that all share its loop; and patience with those who do not read."""
    limits = {"slow_reader_seconds": 3600, "slow_reader_floor_seconds": 3600, "held_body_bytes": HELD_BYTES}
    with edge_beside(world, tmp_path_factory.mktemp("backpressure"), limits, workers=1) as edge:
        yield edge


async def much_or_little(exchange):
    text = {"much": MUCH, "late": LATE}.get(exchange.request.json["messages"][0]["content"])
    if text is None:
        return await scripts.chat()(exchange)
    await exchange.head(200, {"content-type": "application/json"}, framing="length", length=len(text))
    for start in range(0, len(text), 65536):
        await exchange.write(text[start : start + 65536])
    await exchange.end()
    # For a connection that it has read much of, the edge's kernel would hold more of the next answer.
    exchange.keep_alive = False


def until_still(exchanges, others) -> int:
    """Serves others until nothing more leaves the upstream meanwhile. Returns how much has left it."""
    sent = -1
    while sent != (sent := sum(exchange.sent for exchange in exchanges)):
        for _ in range(OTHERS):
            assert others.answer(others.ask(chat_body())).status == 200
        others.seen.clear()
    return sent


@pytest.fixture
def others(world, edge):
    with Http2Client(world, edge) as client:
        yield client


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_reads_nothing_stops_the_upstream_being_read(world, edge, scripted, others, way, http2):
    with scripted.doing(much_or_little), client_of(world, edge, http2) as client:
        stream = client.ask(chat_body(f"scripted-{way}", content="much"))
        client.hold(stream)
        client.head(stream)
        exchange = scripted.exchanges[0]
        sent = until_still([exchange], others)
        both_have_windows = http2 and way.startswith("http2")
        most = WINDOW_BYTES if both_have_windows else KERNEL_BYTES
        assert sent < most
        # What a kernel takes, it may take late.
        assert until_still([exchange], others) < most and not exchange.ended.is_set()
        assert client.take_all(stream) == (len(MUCH), zlib.crc32(MUCH)), "and it goes on where it stood"
        assert exchange.sent == len(MUCH)


@pytest.mark.parametrize("way", WAYS)
def test_the_control_a_client_that_reads_lets_all_of_it_pass(world, edge, scripted, way, http2):
    with scripted.doing(much_or_little), client_of(world, edge, http2) as client:
        stream = client.ask(chat_body(f"scripted-{way}", content="much"))
        assert client.take_all(stream) == (len(MUCH), zlib.crc32(MUCH))


@pytest.mark.parametrize("way", WAYS)
def test_answers_that_nobody_reads_cost_the_edge_little(world, edge, scripted, others, way):
    """50 clients' answers of 32 MiB: what the edge holds of each is bounded."""
    with scripted.doing(much_or_little), Http2Client(world, edge) as client:
        before = resident_bytes(edge)
        for _ in range(50):
            stream = client.ask(chat_body(f"scripted-{way}", content="much"))
            client.hold(stream)
            client.head(stream)
        unread = scripted.exchanges[:]
        until_still(unread, others)
        assert not any(exchange.ended.is_set() for exchange in unread)
        assert resident_bytes(edge) - before < 32 << 20


@pytest.mark.parametrize("way", ["http1", "http2"])
def test_late_readers_get_all_of_it_and_others_are_answered_meanwhile(world, edge, scripted, others, way, http2):
    with contextlib.ExitStack() as stack, scripted.doing(much_or_little):
        clients = [stack.enter_context(client_of(world, edge, http2)) for _ in range(LATE_READERS)]
        streams = [ask_and_wait(client, way, http2) for client in clients]
        until_still(scripted.exchanges[:], others)
        for client in clients:
            receive_ahead(client, 1 << 20)
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(LATE_READERS))
        readers = [pool.submit(client.take_all, stream) for client, stream in zip(clients, streams)]
        while not all(reader.done() for reader in readers):
            assert others.answer(others.ask(chat_body())).status == 200
            others.seen.clear()
        assert {reader.result() for reader in readers} == {(len(LATE), zlib.crc32(LATE))}


def receive_ahead(client, count: int) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, count)


def ask_and_wait(client, way, http2) -> int:
    if not http2:
        # The reader's kernel would take all of it.
        receive_ahead(client, 4096)
    stream = client.ask(chat_body(f"scripted-{way}", content="late"))
    client.hold(stream)
    client.head(stream)
    return stream


def resident_bytes(edge) -> int:
    with open(f"/proc/{edge.child.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) << 10


def test_requests_whose_upstream_is_not_known_yet_have_a_bound_together(world, edge, scripted, others, http2):
    """Nothing can go on before the model has come."""
    large = b'{"messages": [{"role": "user", "content": "' + b"x" * (HELD_BYTES * 2 // 3)
    end = b'"}], "model": "scripted-http1"}'
    with client_of(world, edge, http2) as first, client_of(world, edge, http2) as second:
        held, refused = PartialRequest(first), PartialRequest(second)
        pump = Pump(held, large)
        pump_until_still(pump, others)
        assert pump.is_done, "one has room"
        pump_until_still(Pump(refused, large), others)
        answer = refused.answer()
        assert answer.status == 503 and "retry-after" in answer.headers
        assert others.answer(others.ask(chat_body())).status == 200, "small ones have room"
        held.end(end)
        assert held.answer().status == 200
    assert scripted.last.request.body == large + end
    with client_of(world, edge, http2) as third:
        assert third.answer(third.ask(large + end)).status == 200, "what was held was given back"


def test_a_request_is_streamed_where_there_is_no_room_to_hold_it(world, edge, scripted, others, http2):
    """Small enough to be held are all of them; none has reached its upstream whole. For the last there is room to begin,
    and not to end."""
    body = large_body("scripted-http2", 900 << 10)
    go = threading.Event()
    clients = [client_of(world, edge, http2) for _ in range(HELD_BYTES // len(body) + 1)]
    requests = [PartialRequest(client) for client in clients]
    pumps = [Pump(request, body) for request in requests]
    try:
        with scripted.doing(taking_large_ones_after(go)):
            for request, pump in zip(requests, pumps):
                pump_until_still(pump, others)
                if pump.is_done:
                    request.end()
            assert pumps[0].is_done
            waiting = [(request, pump) for request, pump in zip(requests, pumps) if not pump.is_done]
            go.set()
            for request, pump in waiting:
                pump.finish()
                request.end()
            assert [request.answer().status for request in requests] == [200] * len(requests)
    finally:
        go.set()
        for client in clients:
            client.socket.close()
    large = [exchange.request for exchange in scripted.exchanges if len(exchange.request.body) == len(body)]
    assert [request.body for request in large] == [body] * len(requests)
    lengths = {request.header("content-length") for request in large}
    assert lengths == {str(len(body)), None}, "some were held, and some were not"


def taking_large_ones_after(go):
    @at_head
    async def script(exchange):
        if int(exchange.request.header("content-length") or HELD_BYTES) > 100_000:
            await scripts.when(go)(exchange)
        await taking_all()(exchange)

    return script
