"""What an upstream does not take of a request, the edge does not take from the client.

Nothing here is judged by the clock: that a client is not read any more is seen from this, that nothing more leaves it
while the same worker serves many others."""

import threading

import pytest
from edge_beside import edge_beside
from http_clients import Http2Client, client_of
from test_http_backpressure import KERNEL_BYTES, WAYS, resident_bytes, taking_large_ones_after
from uploads import PartialRequest, Pump, large_body, pump_until_still, taking_all

MUCH = 48 << 20
REPLAY_BYTES = 64 << 10
# Of a request that nobody takes: what may be sent again, what waits for the upstream, and a stream's window on each
# side.
WAITING_BYTES = REPLAY_BYTES + (32 << 10) + 2 * (64 << 10)
CLIENTS = 30
PATIENT = {"time_to_first_byte_seconds": 3600, "gap_inside_body_seconds": 3600}


@pytest.fixture(scope="module")
def edge(world, tmp_path_factory):
    """One worker, so that all share its loop."""
    limits = {**PATIENT, "replay_body_bytes": REPLAY_BYTES, "request_body_bytes": 2 * MUCH}
    with edge_beside(world, tmp_path_factory.mktemp("uploads"), limits, workers=1) as edge:
        yield edge


@pytest.fixture
def others(world, edge):
    with Http2Client(world, edge) as client:
        yield client


@pytest.fixture
def go():
    """Until it is set, upstreams take nothing of the large requests' bodies."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("way", WAYS)
def test_an_upstream_that_takes_nothing_stops_the_client_being_read(world, edge, scripted, others, go, way, http2):
    body = large_body(f"scripted-{way}", MUCH)
    with scripted.doing(taking_large_ones_after(go)), client_of(world, edge, http2) as client:
        request = PartialRequest(client)
        pump = Pump(request, body)
        sent = pump_until_still(pump, others)
        exchange = next(exchange for exchange in scripted.exchanges if exchange.request.header("content-length") is None)
        kernels = (not http2) + way.startswith("http1")
        assert sent < WAITING_BYTES + kernels * KERNEL_BYTES
        # What a kernel takes, it may take late.
        assert pump_until_still(pump, others) < WAITING_BYTES + kernels * KERNEL_BYTES
        assert exchange.upload.received == 0
        go.set()
        pump.finish()
        request.end()
        assert request.answer().status == 200
    assert exchange.request.body == body, "and it went on where it stood"


@pytest.mark.parametrize("way", WAYS)
def test_the_control_an_upstream_that_takes_all_gets_all(world, edge, scripted, way, http2):
    body = large_body(f"scripted-{way}", MUCH)
    with scripted.doing(taking_all()), client_of(world, edge, http2) as client:
        request = PartialRequest(client)
        Pump(request, body).finish()
        request.end()
        assert request.answer().status == 200
    assert scripted.last.request.body == body


@pytest.mark.parametrize("way", WAYS)
def test_requests_that_no_upstream_takes_cost_the_edge_little(world, edge, scripted, others, go, way, http2):
    body = large_body(f"scripted-{way}", MUCH)
    before = resident_bytes(edge)
    clients = []
    try:
        with scripted.doing(taking_large_ones_after(go)):
            for _ in range(CLIENTS):
                clients.append(client_of(world, edge, http2))
                pump = Pump(PartialRequest(clients[-1]), body)
                assert pump_until_still(pump, others) < MUCH
            assert resident_bytes(edge) - before < CLIENTS << 20
    finally:
        for client in clients:
            client.socket.close()
