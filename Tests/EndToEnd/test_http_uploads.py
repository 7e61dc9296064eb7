"""Requests larger than what an edge keeps to send again go on as they come, and arrive as they were sent but for the
edge's own edits. Smaller ones are held until they are whole."""

import json

import pytest
from devfleet.processes import wait_until
from http_clients import chat_body, client_of
from scripted import WAYS, at_head, scripts
from uploads import PartialRequest, large_body, taking_all
from world import MAPPED_NAME

# What an edge keeps of a request by default, to send it again.
REPLAY_BYTES = 1 << 20
MUCH = 8 << 20
SIZES = [64 << 10, 3 << 20]
USAGE_WANTED = b',"stream_options":{"include_usage":true}}'


# MARK: held or passed on


def test_a_large_body_goes_on_before_it_is_whole(client, scripted, way):
    body = large_body(f"scripted-{way}", 3 * REPLAY_BYTES)
    with scripted.doing(taking_all()):
        request = PartialRequest(client)
        request.send(body[: 2 * REPLAY_BYTES])
        wait_until(lambda: scripted.exchanges, "the request has gone on")
        scripted.last.upload.until_received(2 * REPLAY_BYTES)
        assert not scripted.last.upload.over.is_set()
        request.end(body[2 * REPLAY_BYTES :])
        assert request.answer().status == 200
    assert scripted.last.request.body == body


def test_the_control_a_small_body_waits_until_it_is_whole(world, client, scripted, way):
    body = large_body(f"scripted-{way}", REPLAY_BYTES)
    with scripted.doing(taking_all()), client_of(world, world.edge(), True) as other:
        request = PartialRequest(client)
        request.send(body[:-1])
        for _ in range(20):
            assert other.answer(other.ask(path="/models")).status == 200
        assert scripted.exchanges == []
        request.end(body[-1:])
        assert request.answer().status == 200
    assert scripted.last.request.body == body


@pytest.mark.parametrize("size", [REPLAY_BYTES, 2 * REPLAY_BYTES])
@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "without"])
def test_a_body_has_a_length_upstream_where_it_was_held(client, scripted, way, chunked, size):
    body = large_body(f"scripted-{way}", size)
    assert client.answer(client.ask(body, chunked=chunked)).status == 200
    request = scripted.last.request
    assert request.body == body
    if size <= REPLAY_BYTES:
        framing = (str(size), None)
    else:
        framing = (None, "chunked" if way.startswith("http1") else None)
    assert (request.header("content-length"), request.header("transfer-encoding")) == framing


def test_a_client_that_waits_to_be_asked_for_a_large_body_is_asked(client, scripted, way):
    body = large_body(f"scripted-{way}", MUCH)
    with scripted.doing(taking_all()):
        stream = client.ask(body, headers={"expect": "100-continue"}, ends=False)
        client.until_informed(stream, 100)
        client.send_body(stream, body)
        assert client.answer(stream).status == 200
    assert scripted.last.request.body == body
    assert scripted.last.request.header("expect") is None


def test_a_connection_that_carried_a_large_body_is_kept(client, scripted, way):
    for _ in range(2):
        for size in (3 * REPLAY_BYTES, 1000):
            body = large_body(f"scripted-{way}", size)
            assert client.answer(client.ask(body)).status == 200
            assert scripted.last.request.body == body
        large, small = scripted.exchanges[-2:]
        assert large.connection == small.connection


# MARK: trailers


@pytest.mark.parametrize("name", ["authorization", "host", "x-api-key", "x-request-id"])
def test_a_large_requests_trailers_pass_but_those_that_route_or_identify(client, scripted, way, name):
    body = large_body(f"scripted-{way}", 3 * REPLAY_BYTES)
    with scripted.doing(taking_all()):
        request = PartialRequest(client)
        request.send(body)
        request.end(trailers={"x-before": "1", name: "5", "x-behind": "2"})
        assert request.answer().status == 200
    assert scripted.last.request.body == body
    assert scripted.last.upload.trailers == {"x-before": "1", "x-behind": "2"}


# MARK: what the edge edits


@pytest.mark.parametrize("size", [64 << 10, MUCH], ids=["held", "streamed"])
@pytest.mark.parametrize("last", [False, True], ids=["model first", "model last"])
def test_a_body_of_no_edits_passes_byte_for_byte(client, scripted, way, last, size):
    body = large_body(f"scripted-{way}", size, stream=True, stream_options={"include_usage": True})
    if last:
        body = with_last(body, "model")
    answer = client.answer(client.ask(body))
    assert answer.status == 200 and b'"usage": {' in answer.body
    assert scripted.last.request.body == body


@pytest.mark.parametrize("size", SIZES, ids=["held", "streamed"])
@pytest.mark.parametrize("last", [False, True], ids=["model first", "model last"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_models_name_and_the_wish_for_usage_change_and_nothing_else(client, scripted, way, stream, last, size):
    model = f"mapped-{way}"
    body = large_body(model, size, stream=stream)
    if last:
        body = with_last(body, "model")
    answer = client.answer(client.ask(body))
    assert answer.status == 200
    assert b"usage" in answer.body if not stream else b"usage" not in answer.body
    expected = body.replace(model.encode(), MAPPED_NAME.encode())
    if stream:
        expected = expected.removesuffix(b"}") + USAGE_WANTED
    assert scripted.last.request.body == expected


OPTIONS = [
    (b"null", b'{"include_usage":true}'),
    (b"{}", b'{"include_usage":true}'),
    (b'{"include_usage": false}', b'{"include_usage": true}'),
    (b'{"include_usage": true}', b'{"include_usage": true}'),
    (b'{"other": [1, {"a": "}"}]}', b'{"other": [1, {"a": "}"}],"include_usage":true}'),
]


@pytest.mark.parametrize("size", SIZES, ids=["held", "streamed"])
@pytest.mark.parametrize("order", ["stream first", "stream last", "stream beside"])
@pytest.mark.parametrize("options, expected", OPTIONS, ids=[options.decode() for options, _ in OPTIONS])
def test_stream_options_change_wherever_stream_stands(client, scripted, options, expected, order, size):
    def body(options):
        filler = b'"user": "' + b"x" * size + b'"'
        members = [filler, b'"stream_options": ' + options, filler.replace(b"user", b"metadata"), b'"messages": []']
        members.insert({"stream first": 0, "stream last": len(members), "stream beside": 2}[order], b'"stream": true')
        return b'{"model": "scripted-http2", ' + b", ".join(members) + b"}"

    answer = client.answer(client.ask(body(options)))
    assert answer.status == 200 and answer.body.endswith(b"[DONE]\n\n")
    assert scripted.last.request.body == body(expected)
    assert (b'"usage"' in answer.body) == (b"true" in options)


def with_last(body: bytes, name: str) -> bytes:
    fields = json.loads(body)
    return json.dumps({**{key: value for key, value in fields.items() if key != name}, name: fields[name]}).encode()


# MARK: sent again


@pytest.mark.parametrize("way", WAYS[:2])
def test_a_held_body_goes_to_another_connection_with_its_length(client, scripted, way):
    known = []

    async def answer_the_first_of_each(exchange):
        if exchange.connection in known:
            return await exchange.cut()
        known.append(exchange.connection)
        await scripts.chat()(exchange)

    body = large_body(f"scripted-{way}", REPLAY_BYTES)
    with scripted.doing(answer_the_first_of_each):
        assert client.answer(client.ask(chat_body(f"scripted-{way}"))).status == 200
        assert client.answer(client.ask(body)).status == 200
    lost, answered = scripted.exchanges[-2:]
    assert lost.connection != answered.connection
    assert lost.request.body == answered.request.body == body
    assert answered.request.header("content-length") == str(len(body))


def test_a_body_that_is_partly_gone_is_not_sent_again(world, client, scripted, way):
    """The upstream took more of it than an edge keeps, so nobody could send it whole."""

    @at_head
    async def cut_behind_much(exchange):
        while exchange.upload.received < 3 * REPLAY_BYTES:
            assert await exchange.upload.read()
        await exchange.cut()

    body = large_body(f"scripted-{way}", MUCH)
    with scripted.doing(cut_behind_much):
        request = PartialRequest(client)
        request.send(body[: 4 * REPLAY_BYTES])
        answer = request.answer()
    assert answer.status == 502 and "error" in answer.json
    assert len(scripted.exchanges) == 1
    record = world.record(answer.headers["x-request-id"])
    assert (record["status"], record["attempts"]) == (502, 1)
