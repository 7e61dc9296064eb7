"""A revoked key is refused everywhere within a second, with no database in the path of a request."""

import contextlib
import dataclasses
import json
import threading
import time

import httpx
import pytest
from devfleet.fleet import REGIONS
from devfleet.processes import wait_until
from hostile import frames
from hostile.connection import Connection, target_of
from scripted import scripts
from world import chat_request, events

# From the operator's command to the end of what is under way.
CUT_SECONDS = 5


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
            revoked = revoke(world, public_id)
            seen = read_until_cut(pieces, revoked)
        assert b"[DONE]" not in seen
        assert scripted.last.gone.wait(left_to_cut(revoked))
    record = world.record(answer.headers["x-request-id"])
    assert record["outcome"] == "key_revoked" and record["output_tokens"] > 0


def test_an_answer_that_is_no_stream_is_cut_and_cannot_pass_for_whole(world, scripted, http2):
    key, public_id = world.new_key()
    with scripted.doing(scripts.endless_document()), world.http(key=key, http2=http2) as client:
        with client.stream("POST", "/chat/completions", json=chat_request()) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            revoked = revoke(world, public_id)
            with pytest.raises(httpx.RemoteProtocolError):
                for _ in pieces:
                    assert left_to_cut(revoked) > 0, "the answer goes on although its key was revoked"
            assert left_to_cut(revoked) > 0, "the answer was cut too late"
        assert scripted.last.gone.wait(left_to_cut(revoked))
    assert world.record(answer.headers["x-request-id"])["outcome"] == "key_revoked"


def test_of_an_answer_that_its_client_does_not_read_nothing_more_is_produced(world, scripted, http2):
    """What the edge had taken already lies before the client; the upstream is let go, and no more of it comes."""
    key, public_id = world.new_key()
    with scripted.doing(scripts.endless("word " * 2_000)), world.http(key=key, http2=http2) as client:
        with client.stream("POST", "/chat/completions", json=chat_request(stream=True)) as answer:
            pieces = answer.iter_raw()
            seen = next(pieces)
            scripted.until_at_rest(lambda _: True)
            sent = scripted.last.sent
            revoked = revoke(world, public_id)
            assert scripted.last.gone.wait(left_to_cut(revoked)), "the upstream goes on"
            assert scripted.last.sent == sent
            # However late the client reads on, it comes to an end that is no good one.
            for piece in pieces:
                seen += piece
        assert len(seen) <= sent + len(events(seen.decode())[-1]) + 100
        assert b"[DONE]" not in seen and "error" in json.loads(events(seen.decode())[-1])
    assert world.record(answer.headers["x-request-id"])["outcome"] == "key_revoked"


def test_of_very_many_streams_those_of_the_revoked_key_are_cut(world, scripted):
    """More than a worker looks at in one turn of its loop; those of both keys lie among each other."""
    revoked, public_id = world.new_key()
    stays, _ = world.new_key()
    target = dataclasses.replace(target_of(world, world.edge()), model="scripted-http2")
    targets = [dataclasses.replace(target, key=key) for key in (revoked, stays)]
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
        revoked = revoke(world, public_id)
        for connection in connections:
            assert connection.until(lambda ended=connection.ended: len(ended) >= 50)
        assert left_to_cut(revoked) > 0, "they were cut too late"
        for connection in connections:
            assert connection.answers()
            assert connection.ended == set(range(1, 200, 4))
            assert not any(b"[DONE]" in body for body in connection.bodies.values())


def revoke(world, public_id: str) -> float:
    """Returns when the command had done its work."""
    world.fleet.control_plane.operator("key", "revoke", public_id)
    return time.monotonic()


def left_to_cut(revoked: float) -> float:
    """Seconds in which what was under way may still come to its end."""
    return max(0, revoked + CUT_SECONDS - time.monotonic())


def read_until_cut(pieces, revoked: float) -> bytes:
    """The rest of a stream that the upstream never ends; it is a failure if nobody else does in time either."""
    seen = b""
    try:
        for piece in pieces:
            seen += piece
            assert left_to_cut(revoked) > 0, "the stream goes on although its key was revoked"
    except httpx.HTTPError:
        pass
    assert left_to_cut(revoked) > 0, "the stream was cut too late"
    return seen


def test_a_key_that_was_not_revoked_goes_on(world):
    """The control: it is the revocation that refuses, not the waiting."""
    key, _ = world.new_key()
    _, other = world.new_key()
    world.fleet.control_plane.operator("key", "revoke", other)
    assert world.edge().status_of_models(key)[0] == 200


def wait_for_refusal(world, key):
    wait_until(lambda: world.edge().status_of_models(key)[0] == 401, "the key is refused")
