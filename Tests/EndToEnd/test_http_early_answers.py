"""Upstreams that answer before they have the whole request: the answer is the client's at once, and what is left of the
request is nobody's."""

import contextlib
import threading

import h2.exceptions
import pytest
from devfleet.processes import wait_until
from edge_beside import connect, edge_beside, metric, refusals
from hostile import frames
from hostile.connection import Connection as HostileConnection
from http_clients import chat_body, client_of
from scripted import WAYS, at_head, scripts
from test_shared_memory import target_of
from uploads import CUT, PartialRequest, large_body

BEGUN, WHOLE = 2 << 20, 8 << 20
REFUSAL = b'{"error":{"message":"too large","type":"invalid_request_error","param":null,"code":"too_large"}}'


def answering_early(status, body, *, closing=False):
    """With a part of the request, in order, and takes no more of it by itself."""

    @at_head
    async def script(exchange):
        while exchange.upload.received < BEGUN:
            assert await exchange.upload.read()
        await exchange.answer(status, body)
        if closing:
            await exchange.close()

    return script


def refused(client, scripted, way, script) -> tuple[PartialRequest, bytes]:
    """A request that was answered before its end, and what is left of it."""
    body = large_body(f"scripted-{way}", WHOLE)
    with scripted.doing(script):
        request = PartialRequest(client)
        request.send(body[:BEGUN])
        answer = request.answer()
    assert (answer.status, bytes(answer.body)) == (413, REFUSAL)
    return request, body[BEGUN:]


@pytest.mark.parametrize("status", [200, 413])
def test_an_early_answer_passes_whole(client, scripted, way, status):
    body = large_body(f"scripted-{way}", WHOLE)
    with scripted.doing(answering_early(status, REFUSAL)):
        request = PartialRequest(client)
        request.send(body[:BEGUN])
        answer = request.answer()
        assert (answer.status, bytes(answer.body), answer.is_whole) == (status, REFUSAL, True)
        upload = scripted.last.upload
        assert upload.over.wait(30) and not upload.is_whole, "the rest was not wanted"


def test_the_connection_goes_on_behind_an_early_answer_or_ends_in_order(world, client, scripted, way, http2):
    request, rest = refused(client, scripted, way, answering_early(413, REFUSAL))
    if http2:
        assert client.answer(client.ask(large_body(f"scripted-{way}", 1000))).status == 200
        return
    try:
        request.end(rest)
        assert client.answer(client.ask(large_body(f"scripted-{way}", 1000))).status == 200
    except CUT:
        with client_of(world, world.edge(), http2) as another:
            assert another.answer(another.ask(large_body(f"scripted-{way}", 1000))).status == 200


def test_a_client_of_http_1_1_may_send_a_short_rest_and_go_on(world, scripted, way):
    with client_of(world, world.edge(), False) as client:
        request, rest = refused(client, scripted, way, answering_early(413, REFUSAL))
        request.end(rest[: 1 << 20])
        assert client.answer(client.ask(large_body(f"scripted-{way}", 1000))).status == 200


@pytest.mark.parametrize("limit", ["refused_body_bytes", "refused_body_seconds"])
def test_the_rest_of_a_request_that_was_answered_has_limits(world, scripted, tmp_path, limit):
    with (
        edge_beside(world, tmp_path, {limit: 1 if limit.endswith("seconds") else 65536}) as edge,
        client_of(world, edge, False) as client,
    ):
        request, rest = refused(client, scripted, "http1", answering_early(413, REFUSAL))
        assert refusals(edge, "refused_body") == 0
        if limit.endswith("bytes"):
            with contextlib.suppress(*CUT):
                request.send(rest[: 1 << 20])
        wait_until(lambda: refusals(edge, "refused_body") == 1, "the connection is cut")
        with pytest.raises(CUT):
            client.answer(client.ask(large_body("scripted-http1", 1000)))


def test_a_client_of_http_2_that_sends_on_hurts_nobody(world, scripted, way):
    with client_of(world, world.edge(), True) as client:
        request, rest = refused(client, scripted, way, answering_early(413, REFUSAL))
        try:
            request.end(rest)
        except h2.exceptions.StreamClosedError:
            assert client.is_reset(request.stream), "the edge has said that it wants no more"
        assert client.answer(client.ask(large_body(f"scripted-{way}", 1000))).status == 200


def test_what_is_pipelined_behind_a_request_that_ended_its_connection_is_not_served(world, scripted, tmp_path):
    """All of it in one record: a request without a key, whose body goes far beyond the limit and ends, and a good one."""
    refused = b"POST /v1/chat/completions HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n"
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (3000, b"x" * 3000)
    good = chat_body()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer {world.key}\r\n"
    with edge_beside(world, tmp_path, {"request_body_bytes": 1024}, workers=1) as edge:
        with connect(world, edge) as connection, contextlib.suppress(*CUT):
            connection.sendall(refused + body + head.encode() + b"content-length: %d\r\n\r\n%s" % (len(good), good))
            assert not connection.recv(65536), "it ends without an answer"
        with client_of(world, edge, False) as another:
            assert another.answer(another.ask(chat_body())).status == 200
        assert len(scripted.exchanges) == 1, "of the ended connection nothing has gone on"
        wait_until(lambda: metric(edge, "strait_edge_exchanges_active") == 0, "no exchange is left behind")


def test_a_stream_whose_request_never_ends_is_reset_when_it_has_had_its_answer(world, scripted, tmp_path):
    limits = {"refused_body_seconds": 1, "flood_window_seconds": 3600, "glitches": 1}
    with edge_beside(world, tmp_path, limits) as edge:
        target = target_of(world, edge)
        with HostileConnection(target) as connection:
            for stream in (1, 3, 5):
                connection.send(frames.headers(stream, frames.block(*target.pseudo()), ends=False))
            connection.until(lambda: {1, 3, 5} <= set(connection.resets))
            assert set(connection.resets.values()) == {frames.NO_ERROR}, "its answer is whole: RFC 9113, section 8.1"
            assert connection.statuses == {1: 401, 3: 401, 5: 401} and connection.ended == {1, 3, 5}
            assert refusals(edge, "refused_body") == 3
            connection.send(frames.headers(7, target.models()))
            connection.until(lambda: connection.done(7))
            assert connection.statuses[7] == 200, "the connection goes on"
            assert metric(edge, "strait_edge_exchanges_active") == 0


@pytest.mark.parametrize("way", WAYS[:2])
def test_a_connection_with_a_body_owed_is_not_used_again(client, scripted, way, http2, world):
    refused(client, scripted, way, answering_early(413, REFUSAL))
    owed = scripted.last.connection
    assert scripted.last.upload.over.wait(30)
    with client_of(world, world.edge(), http2) as another:
        for _ in range(3):
            assert another.answer(another.ask(large_body(f"scripted-{way}", 1000))).status == 200
            assert scripted.last.connection != owed


@pytest.mark.parametrize("way", WAYS[:2])
def test_the_control_a_connection_that_owes_nothing_is_used_again(client, scripted, way):
    for _ in range(2):
        assert client.answer(client.ask(large_body(f"scripted-{way}", 1000))).status == 200
    assert scripted.exchanges[0].connection == scripted.exchanges[1].connection


def test_an_early_answer_before_the_connections_end_passes_whole(client, scripted, way):
    refused(client, scripted, way, answering_early(413, REFUSAL, closing=True))


def test_an_answer_may_come_while_the_request_goes(client, scripted, way):
    """Both directions at once, as long as both want to."""
    seen = threading.Event()
    events = scripts.chat_events("m", ["Hello"], None, True)

    @at_head
    async def script(exchange):
        while exchange.upload.received < BEGUN:
            assert await exchange.upload.read()
        await exchange.head(200, scripts.EVENTS)
        await exchange.write(events[0].encode())
        await scripts.when(seen)(exchange)
        await exchange.take_body()
        await exchange.write("".join(events[1:]).encode())
        await exchange.end()

    body = large_body(f"scripted-{way}", WHOLE, stream=True, stream_options={"include_usage": True})
    with scripted.doing(script):
        request = PartialRequest(client)
        request.send(body[:BEGUN])
        client.until_body(request.stream, b"assistant")
        seen.set()
        request.end(body[BEGUN:])
        answer = request.answer()
    assert (answer.status, answer.body.decode()) == (200, "".join(events))
    upload = scripted.last.upload
    assert upload.is_whole and upload.received == WHOLE


def test_a_client_that_goes_away_while_both_go_cancels_both(client, scripted, way):
    @at_head
    async def script(exchange):
        while exchange.upload.received < BEGUN:
            assert await exchange.upload.read()
        await exchange.head(200, scripts.EVENTS)
        await exchange.write(scripts.chat_events("m", ["Hello"], None, True)[0].encode())
        await exchange.take_body()

    with scripted.doing(script):
        request = PartialRequest(client)
        request.send(large_body(f"scripted-{way}", WHOLE, stream=True)[:BEGUN])
        client.until_body(request.stream, b"assistant")
        client.socket.close()
        upload = scripted.last.upload
        assert upload.over.wait(30) and not upload.is_whole
        assert scripted.last.gone.wait(30)
