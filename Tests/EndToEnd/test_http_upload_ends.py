"""Requests that are being passed on and do not come to a good end: nobody may take a part of one for the whole, and
who is to blame is told so."""

import json
import socket
import struct
import threading

import pytest
from devfleet.processes import wait_until
from edge_beside import edge_beside
from http_clients import client_of
from scripted import at_head, scripts
from test_http_backpressure import taking_large_ones_after
from uploads import PartialRequest, Pump, large_body, pump_until_answered, pump_until_still, taking_all
from world import STRICT, STRICT_LIMITS, message_request

# Twice what an edge keeps to send again: it has gone on by then.
BEGUN = 2 << 20


@pytest.fixture
def edge(world):
    return world.edge(STRICT)


@pytest.fixture
def client(world, edge, http2):
    with client_of(world, edge, http2) as client:
        yield client


def begun(client, scripted, body=b"", *, model="scripted", **options) -> PartialRequest:
    """A request whose upstream has a part of it."""
    request = PartialRequest(client, **options)
    request.send(body or large_body(model, BEGUN)[:-2])
    wait_until(lambda: scripted.exchanges, "the request has gone on")
    scripted.last.upload.until_received(BEGUN // 2)
    return request


def was_cut(scripted) -> bool:
    upload = scripted.exchanges[-1].upload
    assert upload.over.wait(30), "the upstream was never told"
    return not upload.is_whole


# MARK: faults of the request


@pytest.mark.parametrize(
    "rest", [b"}}", b', "model": "other"}', b', "stream": 7}', b', "user": "\x01"}'], ids=["JSON", "twice", "type", "text"]
)
def test_a_fault_that_shows_late_is_the_clients_and_cuts_the_upstream(world, client, scripted, way, http2, rest):
    body = large_body(f"scripted-{way}", BEGUN).removesuffix(b"}")
    with scripted.doing(taking_all()):
        request = begun(client, scripted, body)
        request.send(rest)
        answer = request.answer()
        assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
        assert was_cut(scripted)
    assert world.record(answer.headers["x-request-id"])["outcome"] == "client_error"
    if http2:
        assert client.answer(client.ask(path="/models")).status == 200, "the connection goes on"


def test_a_request_that_ends_too_early_does_not_end_upstream(client, scripted, way):
    """In order by its framing, and yet half a document."""
    with scripted.doing(taking_all()):
        request = begun(client, scripted, model=f"scripted-{way}")
        request.end()
        answer = request.answer()
        assert answer.status == 400 and was_cut(scripted)


def test_the_control_its_missing_end_makes_it_good(client, scripted, way):
    body = large_body(f"scripted-{way}", BEGUN)
    with scripted.doing(taking_all()):
        request = begun(client, scripted, body[:-2])
        request.end(body[-2:])
        assert request.answer().status == 200
    assert scripted.last.request.body == body and not was_cut(scripted)


def test_a_late_fault_is_told_in_the_clients_dialect(client, scripted):
    text = json.dumps(message_request(content="x" * BEGUN)).encode()
    with scripted.doing(taking_all()):
        request = begun(client, scripted, text, path="/messages")
        request.send(b"]")
        answer = request.answer()
        assert (answer.status, answer.json["type"]) == (400, "error") and was_cut(scripted)
    assert answer.json["error"]["type"] == "invalid_request_error"


def test_a_request_that_grows_too_large_is_cut_upstream(client, scripted, way):
    most = STRICT_LIMITS["request_body_bytes"]
    with scripted.doing(taking_all()):
        request = begun(client, scripted, large_body(f"scripted-{way}", most + 1))
        answer = request.answer()
        assert answer.status == 413 and "error" in answer.json and was_cut(scripted)


# MARK: clients and upstreams that stop


@pytest.mark.parametrize("end", ["FIN", "RST", "in order"])
def test_a_client_that_goes_away_cancels_the_upstream(client, scripted, way, http2, end):
    with scripted.doing(taking_all()):
        request = begun(client, scripted, model=f"scripted-{way}")
        if end == "FIN":
            socket.socket.shutdown(client.socket, socket.SHUT_WR)
        elif end == "RST":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
        elif http2:
            client.cancel(request.stream)
        else:
            client.say_end(shut=True)
        assert was_cut(scripted)


def test_a_client_that_stops_sending_is_told_so(client, scripted, way):
    with scripted.doing(taking_all()):
        request = begun(client, scripted, model=f"scripted-{way}")
        answer = request.answer()
        assert answer.status == 408 and was_cut(scripted)


@pytest.fixture(scope="module")
def hasty(world, tmp_path_factory):
    """One worker, patient with clients and not with upstreams."""
    with edge_beside(world, tmp_path_factory.mktemp("hasty"), {"time_to_first_byte_seconds": 2}, workers=1) as edge:
        yield edge


def test_an_upstream_that_stops_taking_the_request_is_given_up(world, hasty, scripted, way, http2):
    go = threading.Event()
    body = large_body(f"scripted-{way}", 30 << 20)
    with scripted.doing(at_head(scripts.when(go, taking_all()))), client_of(world, hasty, http2) as client:
        request = PartialRequest(client)
        answer = pump_until_answered(Pump(request, body), client, request.stream)
        assert answer.status == 504 and "error" in answer.json
        go.set()
        assert was_cut(scripted)
    assert world.record(answer.headers["x-request-id"])["outcome"] == "upstream_timeout"


@pytest.fixture(scope="module")
def demanding(world, tmp_path_factory):
    """One worker, patient with upstreams and not with clients."""
    limits = {"gap_inside_body_seconds": 2, "time_to_first_byte_seconds": 3600}
    with edge_beside(world, tmp_path_factory.mktemp("demanding"), limits, workers=1) as edge:
        yield edge


def test_a_client_is_not_blamed_for_what_its_upstream_does_not_take(world, demanding, scripted, way, http2):
    go = threading.Event()
    body = large_body(f"scripted-{way}", 30 << 20)
    with (
        scripted.doing(taking_large_ones_after(go)),
        client_of(world, demanding, http2) as client,
        client_of(world, demanding, True) as others,
    ):
        request = PartialRequest(client)
        pump = Pump(request, body)
        pump_until_still(pump, others)
        for _ in range(2):
            # Whose stop is its own, so that the limit has passed for the first one too.
            stopped = others.ask(b"{}", chunked=True, ends=False)
            assert pump_until_answered(pump, others, stopped).status == 408
        go.set()
        pump.finish()
        request.end()
        assert request.answer().status == 200
    assert next(e for e in scripted.exchanges if len(e.request.body) > BEGUN).request.body == body
