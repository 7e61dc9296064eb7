"""A GOAWAY ends a connection and no exchange: neither from an upstream nor from a client."""

import threading

import pytest
from devfleet.processes import wait_until
from hostile import frames
from http_clients import Http2Client, chat_body, client_of
from scripted import scripts

HTTP2_WAYS = ["http2", "http2-tls"]


@pytest.fixture
def client(world):
    """Streams of one connection are served by one worker, which shares its connections to an upstream among them."""
    with Http2Client(world, world.edge()) as client:
        yield client


def body(way: str, *, stream=False) -> bytes:
    return chat_body(f"scripted-{way}", stream=stream)


# MARK: from an upstream


@pytest.mark.parametrize("way", HTTP2_WAYS)
def test_streams_below_an_upstreams_goaway_end_whole_and_new_ones_go_elsewhere(client, scripted, way):
    said, go_on = threading.Event(), threading.Event()

    async def say_goaway(exchange):
        if not said.is_set():
            await exchange.goaway(exchange.stream)
            said.set()
            await scripts.when(go_on)(exchange)

    with scripted.doing(scripts.chat_stream(pause=say_goaway)):
        first = client.ask(body(way, stream=True))
        client.until_body(first, b"assistant")
        old = scripted.last.connection
        assert client.answer(client.ask(body(way, stream=True))).body.endswith(b"data: [DONE]\n\n")
        assert scripted.last.connection != old
        go_on.set()
        assert client.answer(first).body.endswith(b"data: [DONE]\n\n")
        assert scripted.exchanges[0].ended.wait(30) and not scripted.exchanges[0].gone.is_set()


@pytest.mark.parametrize("way", HTTP2_WAYS)
def test_a_request_above_an_upstreams_goaway_is_sent_again(client, scripted, way):
    """The first stream of a connection is held open; the second one is told that nobody looked at it."""
    go_on = threading.Event()
    held: dict[int, int] = {}

    async def refuse_the_second(exchange):
        if exchange.connection not in held:
            held[exchange.connection] = exchange.stream
            if len(held) == 1:
                await scripts.when(go_on)(exchange)
        elif len(held) == 1:
            await exchange.goaway(held[exchange.connection])
            return
        await scripts.chat()(exchange)

    with scripted.doing(refuse_the_second):
        first = client.ask(body(way))
        wait_for_request(scripted, 1)
        second = client.ask(body(way))
        assert client.answer(second).status == 200
        go_on.set()
        assert client.answer(first).status == 200
    assert len(scripted.exchanges) == 3
    assert scripted.exchanges[1].connection == scripted.exchanges[0].connection
    assert scripted.exchanges[2].connection != scripted.exchanges[0].connection
    assert scripted.exchanges[2].request.body == scripted.exchanges[1].request.body


@pytest.mark.parametrize("way", HTTP2_WAYS)
def test_an_upstream_that_refuses_by_goaway_each_time_is_given_up(client, scripted, way):
    async def refuse(exchange):
        await exchange.goaway(0)

    with scripted.doing(refuse):
        answer = client.answer(client.ask(body(way)))
    assert answer.status == 502
    assert 2 <= len(scripted.exchanges) <= 3


@pytest.mark.parametrize("way", HTTP2_WAYS)
def test_an_upstream_that_goes_away_after_each_answer_costs_no_request(world, scripted, way, http2):
    async def answer_and_leave(exchange):
        await scripts.chat()(exchange)
        await exchange.goaway(exchange.stream)

    with scripted.doing(answer_and_leave), client_of(world, world.edge(), http2) as client:
        statuses = [client.answer(client.ask(body(way))).status for _ in range(20)]
    assert statuses == [200] * 20


# MARK: from a client


@pytest.mark.parametrize("way", ["http1", "http2"])
def test_a_client_that_says_goaway_gets_the_answers_it_waits_for(client, scripted, way):
    go_on = threading.Event()
    with scripted.doing(scripts.chat_stream(pause=scripts.when(go_on))):
        streams = [client.ask(body(way, stream=True)) for _ in range(3)]
        for stream in streams:
            client.until_body(stream, b"assistant")
        client.socket.sendall(frames.goaway())
        go_on.set()
        for stream in streams:
            assert client.answer(stream).body.endswith(b"data: [DONE]\n\n")
        client.read_to_end()
    assert [exchange.gone.is_set() for exchange in scripted.exchanges] == [False] * 3


def test_an_idle_client_that_says_goaway_is_closed(client):
    client.answer(client.ask(path="/models"))
    client.socket.sendall(frames.goaway())
    client.read_to_end()


def wait_for_request(scripted, count):
    wait_until(lambda: len(scripted.exchanges) >= count, "the upstream has the request")
