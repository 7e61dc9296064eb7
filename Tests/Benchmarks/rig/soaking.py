"""The kinds of traffic of a soak, a round's worth each. A kind that should end well fails the soak when it does
not."""

import contextlib
import http.client
import ssl

from devfleet.workplace import FleetError

from .stage import Stage

EDGE = "Strait"
CONNECTIONS, STREAMS = 10, 20
WHOLE, CUT, CUT_EARLY, FAILED = "events 30 10", "cut 3 10", "cut 0 0", "status 500"


def small_http2(stage: Stage) -> None:
    stage.load.h2load(stage.target(EDGE), requests=4_000, connections=CONNECTIONS, streams=STREAMS)


def small_http1(stage: Stage) -> None:
    target = stage.target(EDGE, "small-http1")
    stage.load.h2load(target, requests=2_000, connections=CONNECTIONS, streams=1, http1=True)


def large(stage: Stage) -> None:
    target = stage.target(EDGE, "large", "large", "/embeddings")
    stage.load.h2load(target, requests=5, connections=5, streams=1)


def streams(stage: Stage) -> None:
    expect(stage, "stream", WHOLE, whole=CONNECTIONS * STREAMS)


def streams_left_by_clients(stage: Stage) -> None:
    expect(stage, "stream", WHOLE, whole=0, abort_after=5)


def streams_cut_by_upstreams(stage: Stage) -> None:
    """The client gets the three events, and an event that says what happened."""
    for body in ("stream", "stream-http1"):
        expect(stage, body, CUT, events=4 * CONNECTIONS * STREAMS)


def upstreams_that_fail(stage: Stage) -> None:
    for body in ("small", "small-http1"):
        expect(stage, body, CUT_EARLY, whole=0)
        expect(stage, body, FAILED, whole=0)


def new_connections(stage: Stage) -> None:
    for resume in (False, True):
        stage.load.client("connect", stage.target(EDGE), requests=100, at_once=10, resume=resume)


def streams_over_http1(stage: Stage) -> None:
    """Some read to their end, some left after the first bytes."""
    for number in range(20):
        with asked_over_http1(stage, WHOLE) as answer:
            if number % 2 == 0:
                answer.read(100)
            elif not answer.read().endswith(b"data: [DONE]\n\n"):
                raise FleetError("a stream over HTTP/1.1 did not end whole")


TRAFFIC = (
    small_http2,
    small_http1,
    large,
    streams,
    streams_left_by_clients,
    streams_cut_by_upstreams,
    upstreams_that_fail,
    new_connections,
    streams_over_http1,
)


def expect(stage: Stage, body: str, answer: str, *, whole=None, events=None, **more) -> None:
    target = stage.target(EDGE, body, answer)
    result = stage.load.client("events", target, connections=CONNECTIONS, streams=STREAMS, **more)
    wanted = {"streams": CONNECTIONS * STREAMS, "whole": whole, "events": events}
    if any(value is not None and result[name] != value for name, value in wanted.items()):
        raise FleetError(f"streams that ask for '{answer}' should come to {wanted}, and came to {result}")


@contextlib.contextmanager
def asked_over_http1(stage: Stage, answer: str):
    target = stage.target(EDGE, "stream", answer)
    host = target.url.split("/")[2]
    trust = ssl.create_default_context(cafile=str(stage.edge.fleet.ca_file))
    connection = http.client.HTTPSConnection(host, context=trust, timeout=60)
    try:
        headers = {
            "authorization": f"Bearer {target.key}",
            "content-type": "application/json",
            "x-answer": answer,
        }
        connection.request("POST", "/v1/chat/completions", target.body.read_bytes(), headers)
        yield connection.getresponse()
    finally:
        connection.close()
