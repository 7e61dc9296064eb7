"""Requests that are still being passed on when something else happens: their answer has begun, or the connection that
they are on is told to end."""

import dataclasses

import pytest
from devfleet.processes import wait_until
from hostile import frames
from http_clients import Http2Client
from scripted import at_head, scripts
from uploads import CUT, PartialRequest, large_body, taking_all

BEGUN, WHOLE = 2 << 20, 4 << 20
FIRST, LAST = b'{"id":"x",', b'"object":"chat.completion"}'
HTTP2_WAYS = ["http2", "http2-tls"]


async def take_a_part(exchange) -> None:
    taken = b""
    while len(taken) < BEGUN // 2:
        part = await exchange.upload.read()
        assert part, "the request has ended"
        taken += part
    exchange.request = dataclasses.replace(exchange.request, body=taken)


def answering_while_it_takes():
    """The head and a part of the answer with a part of the request, the rest behind the request's end."""

    @at_head
    async def script(exchange):
        await take_a_part(exchange)
        await exchange.head(200, {"content-type": "application/json"})
        await exchange.write(FIRST)
        await exchange.take_body()
        if exchange.upload.is_whole:
            await exchange.write(LAST)
            await exchange.end()

    return script


def answered_in_part(client, way) -> tuple[PartialRequest, bytes]:
    """A request whose answer has begun, and what is left of it."""
    body = large_body(f"scripted-{way}", WHOLE)
    request = PartialRequest(client)
    request.send(body[:BEGUN])
    client.until_body(request.stream, FIRST)
    return request, body[BEGUN:]


# MARK: an answer that has begun


def test_a_request_goes_on_behind_its_answers_head(client, scripted, way):
    with scripted.doing(answering_while_it_takes()):
        request, rest = answered_in_part(client, way)
        request.end(rest)
        answer = request.answer()
    assert (answer.status, bytes(answer.body), answer.is_whole) == (200, FIRST + LAST, True)
    assert len(scripted.last.request.body) == WHOLE


@pytest.mark.parametrize("rest", [b"]}}", b'],"model":"other"}'], ids=["JSON", "twice"])
def test_a_fault_behind_the_answers_head_cuts_both_ways(world, client, scripted, way, http2, rest):
    """The status has been told: what is left is that neither side takes its half for the whole."""
    with scripted.doing(answering_while_it_takes()):
        request, end = answered_in_part(client, way)
        request.send(end.removesuffix(b"]}") + rest)
        cut_or_incomplete(client, request)
        upload = scripted.last.upload
        assert upload.over.wait(30) and not upload.is_whole
    if http2:
        assert client.answer(client.ask(path="/models")).status == 200, "the connection goes on"


def cut_or_incomplete(client, request) -> None:
    try:
        answer = request.answer()
    except CUT:
        return
    assert not answer.is_whole, "half an answer looked whole"


def test_a_client_that_leaves_behind_the_answers_head_cancels_the_upstream(client, scripted, way, http2):
    with scripted.doing(answering_while_it_takes()):
        request, _ = answered_in_part(client, way)
        if http2:
            client.cancel(request.stream)
        else:
            client.socket.close()
        upload = scripted.last.upload
        assert upload.over.wait(30) and not upload.is_whole


# MARK: GOAWAY


@pytest.mark.parametrize("way", HTTP2_WAYS)
def test_a_request_below_an_upstreams_goaway_is_passed_on_to_its_end(client, scripted, way):
    @at_head
    async def script(exchange):
        await take_a_part(exchange)
        await exchange.goaway(exchange.stream)
        await exchange.take_body()
        await scripts.chat_or_message()(exchange)

    body = large_body(f"scripted-{way}", WHOLE)
    with scripted.doing(script):
        request = PartialRequest(client)
        request.send(body[:BEGUN])
        wait_until(lambda: scripted.exchanges, "the request has gone on")
        scripted.last.upload.until_received(BEGUN // 2)
        request.end(body[BEGUN:])
        assert request.answer().status == 200
    assert scripted.last.request.body == body and len(scripted.exchanges) == 1


@pytest.mark.parametrize("way", HTTP2_WAYS)
def test_a_request_above_an_upstreams_goaway_is_not_sent_again_in_part(world, client, scripted, way):
    """Nobody looked at it, but a part of it is no longer held: that is said, and no half goes anywhere else."""

    @at_head
    async def script(exchange):
        await take_a_part(exchange)
        await exchange.goaway(0)

    with scripted.doing(script):
        request = PartialRequest(client)
        request.send(large_body(f"scripted-{way}", WHOLE)[:BEGUN])
        answer = request.answer()
        assert answer.status == 502 and "error" in answer.json
    assert len(scripted.exchanges) == 1


@pytest.mark.parametrize("way", ["http1", "http2"])
def test_a_client_that_says_goaway_may_end_its_request(world, scripted, way):
    body = large_body(f"scripted-{way}", WHOLE)
    with scripted.doing(taking_all()), Http2Client(world, world.edge()) as client:
        request = PartialRequest(client)
        request.send(body[:BEGUN])
        client.socket.sendall(frames.goaway())
        request.end(body[BEGUN:])
        assert request.answer().status == 200
        client.read_to_end()
    assert scripted.last.request.body == body
