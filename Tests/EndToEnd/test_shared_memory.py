"""All connections of a worker share the memory through which their bytes pass. A frame that had to wait for room there may
have lost its stream meanwhile: in its place nobody may be sent what stands there of others."""

import json
import os
import signal

from devfleet.processes import wait_until
from edge_beside import client_context, edge_beside, metric, refusals
from hostile import frames
from hostile.connection import Connection, Target
from hostile.floods import stream_of
from hostile.readers import WIDE_OPEN
from http_clients import Http2Client, client_of
from scripted import at_head, scripts
from uploads import PartialRequest, Pump, large_body

CANARY = "what-another-client-has-said "
FIRST_STREAMS, HOARDED_STREAMS = 40, 100
# More than the kernel has to have room for before it lets the edge go on.
READ_BETWEEN = 2 << 20
UPLOADS = 16
UPLOAD_BYTES, BEGUN = 8 << 20, 128 << 10


def target_of(world, edge) -> Target:
    host, port = edge.address.split(":")
    return Target(host, int(port), client_context(world, "h2"), world.key, "scripted-http2")


def test_who_reads_in_the_end_what_it_has_hoarded_gets_nothing_of_others(world, tmp_path, scripted):
    """A frame of its first streams waits for room when their answers are given up, because all its others have some too."""
    limits = {"held_answer_bytes": 4 << 20}
    with edge_beside(world, tmp_path, limits, workers=1) as edge, scripted.doing(much_for_hoards):
        target = target_of(world, edge)
        with Connection(target, opening=WIDE_OPEN, receive_bytes=4096) as hoarder:
            body, streams = target.body("hoard"), [stream_of(index) for index in range(HOARDED_STREAMS)]
            for part in (streams[:FIRST_STREAMS], streams[FIRST_STREAMS:]):
                for stream in part:
                    hoarder.send(frames.headers(stream, target.chat(), ends=False) + frames.data(stream, body))
                wait_until(lambda: len(scripted.exchanges) >= (part[-1] + 1) // 2, "the upstream is asked")
                scripted.until_at_rest(lambda exchange: True)
                if part[0] == 1:
                    # There is much for the edge to go on with, so the next time it stops in the midst of it.
                    hoarder.until(lambda: sum(map(len, hoarder.bodies.values())) > READ_BETWEEN)
                    scripted.until_at_rest(lambda exchange: True)
            wait_until(lambda: refusals(edge, "memory") > FIRST_STREAMS, "the edge gives them up")
            with client_of(world, edge, True) as other:
                assert other.answer(other.ask(target.body(CANARY * 4000))).status == 200
            hoarder.until(lambda: all(hoarder.done(stream) for stream in streams))
            assert any(stream in hoarder.resets for stream in streams)
            assert not [stream for stream in streams if CANARY.encode() in hoarder.bodies.get(stream, b"")]


async def much_for_hoards(exchange):
    hoards = b'"hoard"' in exchange.request.body
    await scripts.chat("x" * (2 << 20) if hoards else "Hello")(exchange)


def test_an_upstream_gets_nothing_of_others_when_clients_leave_in_mid_upload(world, tmp_path, scripted):
    """It reads nothing for a while, so that frames wait; their clients are gone when it goes on."""
    received = {}
    body = numbered_body(UPLOAD_BYTES)

    @at_head
    async def taking_as_it_comes(exchange):
        note_what_comes(exchange, received)
        await exchange.open_wide()
        await exchange.take_body()

    with (
        edge_beside(world, tmp_path, {"replay_body_bytes": 65536}, workers=1) as edge,
        scripted.doing(taking_as_it_comes),
        Http2Client(world, edge) as others,
    ):
        clients = [client_of(world, edge, True) for _ in range(UPLOADS)]
        requests = [PartialRequest(client) for client in clients]
        for request in requests:
            Pump(request, body[:BEGUN]).finish()
        wait_until(lambda: len(scripted.exchanges) == UPLOADS, "their requests are under way")
        for exchange in scripted.exchanges:
            exchange.upload.until_received(BEGUN // 2)
        with scripted.standing_still():
            rests = [Pump(request, body[BEGUN:]) for request in requests]
            pump_all_until_still(edge, rests, others)
            assert not any(pump.is_done for pump in rests)
            for client in clients:
                client.socket.close()
            # The other client has a stream of its own only while it asks.
            wait_until(lambda: metric(edge, "strait_edge_exchanges_active") == 0, "the edge has seen them leave")
        for exchange in scripted.exchanges:
            assert exchange.upload.over.wait(30)
        for stream, seen in received.items():
            assert len(seen) > BEGUN // 2
            assert bytes(seen) == body[: len(seen)], f"stream {stream} has had something else"
        known = scripted.last.connection
        with scripted.doing(scripts.chat()):
            assert others.answer(others.ask(large_body("scripted-http2", 1000))).status == 200
            assert scripted.last.connection == known, "and nothing else is harmed"


def numbered_body(size: int) -> bytes:
    """A request in which no two places are alike."""
    text = "".join(f"{number:08d}" for number in range(size // 8))
    return json.dumps({"model": "scripted-http2", "messages": [{"role": "user", "content": text}]}).encode()


def note_what_comes(exchange, received) -> None:
    """Also of what comes in one piece with a reset, which a script would not see."""
    # Some may have come before the script had its turn.
    seen = received[exchange.stream] = bytearray(exchange.upload.waiting)
    feed = exchange.upload.feed

    def note(data: bytes, window: int) -> None:
        seen.extend(data)
        feed(data, window)

    exchange.upload.feed = note


def pump_all_until_still(edge, pumps, others) -> None:
    """The edge gets what all of them send at once, so that it has more for its upstream than fits in one piece; and answers
    another client by itself in between."""
    sent = -1
    while sent != (sent := sum(pump.sent for pump in pumps)):
        os.kill(edge.child.pid, signal.SIGSTOP)
        for pump in pumps:
            pump.send()
        os.kill(edge.child.pid, signal.SIGCONT)
        for _ in range(20):
            assert others.answer(others.request("/models")).status == 200
        others.seen.clear()
