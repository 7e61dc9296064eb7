"""What an edge refuses, and whom it ends, shows in its numbers by reason, and in the address's offences."""

import contextlib

import pytest
from devfleet.processes import wait_until
from edge_beside import connect, edge_beside, is_refused, metric, refusals
from scripted import at_head, scripts
from test_upstream_faults import read_until_broken
from world import chat_request, events

OFFENCES = 4


@pytest.fixture(scope="module")
def edge(world, tmp_path_factory):
    limits = {"offences_per_address": OFFENCES, "flood_window_seconds": 3600, "replay_body_bytes": 1024, "whole_stream_seconds": 2}
    with edge_beside(world, tmp_path_factory.mktemp("refusals"), limits) as edge:
        yield edge


def answers(edge, status: int) -> float:
    return metric(edge, "strait_edge_answers_total", status=status)


def said(world, edge, source: str, *pieces: bytes) -> bytes:
    """All that comes back, to the connection's end."""
    with connect(world, edge, source=source) as client:
        for piece in pieces:
            client.sendall(piece)
        back = b""
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                back += piece
    return back


@pytest.mark.parametrize(
    "request_head, status, reason, offends",
    [
        (b"GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400, "protocol_error", True),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505, "protocol_error", True),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * (33 << 10) + b"\r\n\r\n", 431, "head_too_large", False),
    ],
    ids=["malformed", "version", "too large"],
)
def test_a_head_that_cannot_be_read_is_counted(world, edge, request_head, status, reason, offends):
    source = f"127.0.2.{status % 250}"
    before, answered = refusals(edge, reason), answers(edge, status)
    for _ in range(OFFENCES):
        assert said(world, edge, source, request_head).startswith(b"HTTP/1.1 %d " % status)
    assert refusals(edge, reason) == before + OFFENCES
    assert answers(edge, status) == answered + OFFENCES
    assert is_refused(world, edge, source=source) == offends
    # The control: of another address everything is well.
    assert not is_refused(world, edge, source="127.0.2.1")


def test_a_body_whose_chunks_are_broken_is_the_clients_fault(world, scripted, edge):
    source, wanted = "127.0.3.1", b'{"model":"scripted","messages":[{"role":"user","content":"'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    head += b"authorization: Bearer %s\r\ntransfer-encoding: chunked\r\n\r\n" % world.key.encode()
    chunk = b"%x\r\n%s\r\n" % (len(wanted) + 8192, wanted + b"a" * 8192)
    before, answered = refusals(edge, "protocol_error"), answers(edge, 400)

    @at_head
    async def wait(exchange):
        await exchange.until_gone()

    with scripted.doing(wait):
        for number in range(OFFENCES):
            with connect(world, edge, source=source) as client:
                client.sendall(head + chunk)
                wait_until(lambda: len(scripted.exchanges) > number, "the request is on its way to the upstream")
                client.sendall(b"zz\r\n")
                assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert refusals(edge, "protocol_error") == before + OFFENCES
    assert answers(edge, 400) == answered + OFFENCES
    assert is_refused(world, edge, source=source)

    def recorded():
        rows = world.fleet.control_plane.operator("usage", "list", "--limit", "100")
        return [row for row in rows if row["status"] == 400 and row["outcome"] == "client_error"]

    # They were on their way to an upstream already, so they have a record: of what they were.
    assert len(wait_until(recorded, "the records have come", every=0.2)) >= 1


def test_a_stream_that_takes_too_long_is_counted_by_that(world, scripted, edge, http2):
    before = refusals(edge, "exchange_timeout")
    chunks = scripts.chat_events("m", ["Half"], None, False)[:2]
    with scripted.doing(scripts.stall_after(chunks)), world.http(edge, http2=http2) as client:
        seen, headers = read_until_broken(client, chat_request(stream=True))
    assert "[DONE]" not in seen and "exchange_timeout" in events(seen)[-1]
    assert refusals(edge, "exchange_timeout") == before + 1
    assert world.record(headers["x-request-id"])["outcome"] == "upstream_timeout"
