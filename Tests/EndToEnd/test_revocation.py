"""A revoked key is refused everywhere within a second, with no database in the path of a request."""

import contextlib
import ssl
import threading
import time

import httpx
from devfleet.fleet import REGIONS
from devfleet.processes import wait_until
from hostile import frames
from hostile.connection import Connection, Target
from scripted import scripts
from world import chat_request


def test_all_edges_refuse_a_revoked_key_within_a_second(world):
    key, public_id = world.new_key()
    refused: dict[str, float] = {}
    stop = threading.Event()

    def ask(region):
        while not stop.is_set() and region not in refused:
            if world.edge(region).status_of_models(key)[0] == 401:
                refused[region] = time.monotonic()

    threads = [threading.Thread(target=ask, args=(region,)) for region in REGIONS]
    for thread in threads:
        thread.start()
    world.fleet.control_plane.operator("key", "revoke", public_id)
    revoked = time.monotonic()
    for thread in threads:
        thread.join(30)
    stop.set()
    assert set(refused) == set(REGIONS)
    assert max(refused.values()) - revoked < 1.0


def test_a_connection_that_was_open_before_is_refused_too(world, scripted, http2):
    key, public_id = world.new_key()
    with world.http(key=key, http2=http2) as client:
        assert client.post("/chat/completions", json=chat_request()).status_code == 200
        world.fleet.control_plane.operator("key", "revoke", public_id)
        wait_for_refusal(world, key)
        assert client.post("/chat/completions", json=chat_request()).status_code == 401


def test_a_stream_in_flight_is_cut(world, scripted, http2):
    key, public_id = world.new_key()
    with scripted.doing(scripts.endless()), world.http(key=key, http2=http2) as client:
        with client.stream("POST", "/chat/completions", json=chat_request(stream=True)) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            world.fleet.control_plane.operator("key", "revoke", public_id)
            seen = read_until_cut(pieces)
        assert b"[DONE]" not in seen
        assert scripted.last.gone.wait(30)
    assert world.record(answer.headers["x-request-id"])["output_tokens"] > 0


def test_of_very_many_streams_those_of_the_revoked_key_are_cut(world, scripted):
    """More than a worker looks at in one turn of its loop; those of both keys lie among each other."""
    revoked, public_id = world.new_key()
    stays, _ = world.new_key()
    trust = ssl.create_default_context(cafile=str(world.fleet.ca_file))
    trust.set_alpn_protocols(["h2"])
    host, _, port = world.edge().address.partition(":")
    targets = [Target(host, int(port), trust, key, "scripted-http2") for key in (revoked, stays)]
    event = scripts.chat_events("scripted-http2", ["word"], None, False)[1]
    with scripted.doing(scripts.stall_after([event])), contextlib.ExitStack() as stack:
        connections = [stack.enter_context(Connection(targets[0])) for _ in range(6)]
        for connection in connections:
            for number in range(100):
                target = targets[number % 2]
                body = frames.data(2 * number + 1, target.body(stream=True))
                assert connection.send(frames.headers(2 * number + 1, target.chat(), ends=False) + body)
        for connection in connections:
            assert connection.until(lambda begun=connection.bodies: len(begun) == 100)
        world.fleet.control_plane.operator("key", "revoke", public_id)
        for connection in connections:
            assert connection.until(lambda ended=connection.ended: len(ended) >= 50)
            assert connection.answers()
            assert connection.ended == set(range(1, 200, 4))
            assert not any(b"[DONE]" in body for body in connection.bodies.values())


def read_until_cut(pieces) -> bytes:
    """The rest of a stream that the upstream never ends; it is a failure if nobody else does either."""
    seen, deadline = b"", time.monotonic() + 30
    try:
        for piece in pieces:
            seen += piece
            assert time.monotonic() < deadline, "the stream goes on although its key was revoked"
    except httpx.HTTPError:
        pass
    return seen


def test_a_key_that_was_not_revoked_goes_on(world):
    """The control: it is the revocation that refuses, not the waiting."""
    key, _ = world.new_key()
    _, other = world.new_key()
    world.fleet.control_plane.operator("key", "revoke", other)
    assert world.edge().status_of_models(key)[0] == 200


def wait_for_refusal(world, key):
    wait_until(lambda: world.edge().status_of_models(key)[0] == 401, "the key is refused")
