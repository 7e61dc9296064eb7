"""What a message is made of passes in every combination of protocols: bodies in each framing, heads of 1xx, trailers;
and nothing passes that is for one hop only."""

import pytest
from http_clients import Http1Client, chat_body
from scripted import scripts

EVENT = b"data: {}\n\n"


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("chunked", [False, True], ids=["request with length", "request without"])
def test_bodies_pass_whole_in_each_framing(client, scripted, way, chunked, framing):
    text = '{"filler": "' + "0123456789abcdef" * 10_000 + '"}'

    async def answer(exchange):
        length = len(text) if framing == "length" else None
        await exchange.head(200, {"content-type": "application/json"}, framing=framing, length=length)
        await exchange.write(text.encode())
        await exchange.end()

    body = chat_body(f"scripted-{way}", content="fedcba9876543210" * 10_000)
    with scripted.doing(answer):
        got = client.answer(client.ask(body, chunked=chunked))
    assert (got.status, got.body.decode()) == (200, text)
    assert scripted.last.request.body == body
    assert scripted.last.request.header("content-length") == str(len(body))
    if framing == "length":
        assert got.headers["content-length"] == str(len(text))


def test_connections_carry_one_exchange_after_the_other(client, scripted, way):
    for number in range(5):
        answer = client.answer(client.ask(chat_body(f"scripted-{way}"), chunked=number % 2 == 0))
        assert answer.status == 200 and answer.is_whole
    assert len({exchange.connection for exchange in scripted.exchanges}) == 1, "the upstream's connection was kept"


# MARK: trailers


def answering_with_trailers(trailers, body=EVENT, content_type="text/event-stream"):
    async def answer(exchange):
        await exchange.head(200, {"content-type": content_type})
        if body:
            await exchange.write(body)
        await exchange.end(trailers)

    return answer


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_an_answers_trailers_pass(client, scripted, way, kind):
    body = scripts.chat_events("m", ["Hi"], None, True)
    body = "".join(body).encode() if "event" in kind else b'{"choices": []}'
    trailers = {"x-checksum": "abc", "x-took": "12 ms"}
    with scripted.doing(answering_with_trailers(trailers, body, kind)):
        answer = client.answer(client.ask(chat_body(f"scripted-{way}", stream="event" in kind)))
    assert (answer.status, answer.body) == (200, body)
    assert answer.trailers == trailers
    assert client.answer(client.ask(chat_body())).status == 200, "and the connection goes on"


def test_trailers_pass_behind_no_body_at_all(client, scripted, way):
    with scripted.doing(answering_with_trailers({"x-checksum": "none"}, b"", "application/json")):
        answer = client.answer(client.ask(chat_body(f"scripted-{way}")))
    assert (answer.status, answer.body, answer.trailers) == (200, b"", {"x-checksum": "none"})


@pytest.mark.parametrize("name", ["authorization", "host", "x-api-key", "set-cookie", "x-request-id"])
def test_trailers_that_frame_route_or_identify_are_dropped(client, scripted, way, name):
    trailers = {"x-before": "1", name: "5", "x-behind": "2"}
    with scripted.doing(answering_with_trailers(trailers, b"{}", "application/json")):
        answer = client.answer(client.ask(chat_body(f"scripted-{way}")))
    assert answer.status == 200 and answer.body == b"{}"
    assert answer.trailers == {"x-before": "1", "x-behind": "2"}


def test_a_length_in_trailers_changes_nothing_or_breaks_the_answer(client, scripted, way):
    """HTTP/1.1 takes it for a field of no meaning there, HTTP/2 for a malformed message: neither believes it."""
    with scripted.doing(answering_with_trailers({"content-length": "5"}, b"{}", "application/json")):
        stream = client.ask(chat_body(f"scripted-{way}"))
        if way.startswith("http2"):
            with pytest.raises(EOFError):
                client.answer(stream)
        else:
            answer = client.answer(stream)
            assert (answer.status, answer.body, answer.trailers) == (200, b"{}", {})


def test_trailers_of_an_answer_with_a_length_reach_only_who_can_take_them(client, scripted, http2):
    """An HTTP/1.1 message that has a length ends with its last byte."""

    async def answer(exchange):
        await exchange.head(200, {"content-type": "application/json"}, framing="length", length=2)
        await exchange.write(b"{}")
        await exchange.end({"x-checksum": "abc"})

    with scripted.doing(answer):
        got = client.answer(client.ask(chat_body("scripted-http2")))
    assert (got.status, got.body, got.trailers) == (200, b"{}", {"x-checksum": "abc"} if http2 else {})
    assert client.answer(client.ask(chat_body())).status == 200


@pytest.mark.parametrize("name", ["authorization", "host", "x-api-key", "x-request-id"])
def test_a_requests_trailers_pass_but_those_that_route_or_identify(client, scripted, way, name):
    body = chat_body(f"scripted-{way}")
    stream = client.ask(body, chunked=True, ends=False)
    client.send_body(stream, body, chunked=True, trailers={"x-checksum": "abc", name: "5", "x-took": "12 ms"})
    assert client.answer(stream).status == 200
    exchange = scripted.last
    assert exchange.request.body == body
    assert exchange.upload.trailers == {"x-checksum": "abc", "x-took": "12 ms"}
    assert exchange.request.header("x-checksum") is None, "a trailer is no part of the head"
    assert exchange.request.header("authorization") == "Bearer scripted-upstream-credential"
    if way.startswith("http1"):
        assert exchange.request.header("transfer-encoding") == "chunked", "no other framing has trailers"


def test_a_requests_trailers_cannot_frame_it_anew(world, scripted, way):
    body = chat_body(f"scripted-{way}")
    trailers = {"content-length": "5", "x-checksum": "abc", "transfer-encoding": "chunked", "te": "gzip", "trailer": "te"}
    with Http1Client(world, world.edge()) as client:
        client.ask(body, chunked=True, ends=False)
        client.send_body(0, body, chunked=True, trailers=trailers)
        assert client.answer().status == 200
    assert (scripted.last.request.body, scripted.last.upload.trailers) == (body, {"x-checksum": "abc"})


@pytest.mark.parametrize("trailer", [b"no colon\r\n", b"x: a\0b\r\n", b" folded: 1\r\n", b"space : 1\r\n"], ids=repr)
def test_a_requests_malformed_trailers_are_refused(world, scripted, trailer):
    body = chat_body()
    with Http1Client(world, world.edge()) as client:
        client.ask(body, chunked=True, ends=False)
        client.send(b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailer))
        assert client.answer().status == 400
    assert scripted.exchanges == []


# MARK: heads of 1xx


def answering_after(*information):
    """Sends heads of 1xx, each a status and its fields, and then a good answer."""

    async def answer(exchange):
        for status, fields in information:
            await exchange.information(status, fields)
        await scripts.chat()(exchange)

    return answer


def test_early_hints_come_before_the_answer(client, scripted, way):
    hints = [(103, {"link": "</style.css>; rel=preload"}), (102, {}), (103, {"link": "</other.css>; rel=preload"})]
    with scripted.doing(answering_after(*hints)):
        answer = client.answer(client.ask(chat_body(f"scripted-{way}")))
    assert (answer.status, answer.information) == (200, hints)
    assert "link" not in answer.headers
    assert client.answer(client.ask(chat_body())).information == []


def test_early_hints_do_not_wait_for_the_answer(client, scripted, way):
    async def answer(exchange):
        await exchange.information(103, {"link": "</style.css>"})
        await exchange.until_gone()

    with scripted.doing(answer):
        client.until_informed(client.ask(chat_body(f"scripted-{way}")), 103)
        client.socket.close()
        assert scripted.last.gone.wait(30)


def test_early_hints_lose_what_is_for_one_hop(client, scripted):
    fields = {"link": "</style.css>", "connection": "x-of-the-hop", "x-of-the-hop": "1", "openai-organization": "org-1"}
    with scripted.doing(answering_after((103, fields))):
        answer = client.answer(client.ask(chat_body("scripted-http1")))
    assert answer.information == [(103, {"link": "</style.css>"})]


def test_the_upstreams_continue_answers_the_edge_and_not_the_client(client, scripted, way):
    with scripted.doing(answering_after((100, {}))):
        answer = client.answer(client.ask(chat_body(f"scripted-{way}")))
    assert (answer.status, answer.information) == (200, [])


def test_a_client_of_http_1_0_gets_no_early_hints(world, scripted, way):
    with scripted.doing(answering_after((103, {"link": "</style.css>"}))):
        with Http1Client(world, world.edge()) as client:
            client.ask(chat_body(f"scripted-{way}"), version="1.0")
            assert client.answer().information == []
            assert client.answer().status == 200


def test_a_switch_of_protocols_that_nobody_asked_for_is_an_upstreams_fault(client, scripted):
    with scripted.doing(answering_after((101, {"upgrade": "websocket", "connection": "upgrade"}))):
        answer = client.answer(client.ask(chat_body("scripted-http1")))
    assert (answer.status, answer.information) == (502, [])


MOST_INFORMATION = 16


def test_as_many_early_hints_as_an_answer_may_need_pass(client, scripted, way):
    hints = [(103, {"link": f"</{number}.css>"}) for number in range(MOST_INFORMATION)]
    with scripted.doing(answering_after(*hints)):
        answer = client.answer(client.ask(chat_body(f"scripted-{way}")))
    assert (answer.status, answer.information) == (200, hints)


@pytest.mark.parametrize(
    "hints",
    [[(103, {"link": "</a.css>"})] * (MOST_INFORMATION + 1), [(103, {"link": "</" + "a" * 15_000 + ".css>"})] * 3],
    ids=["many", "large"],
)
def test_more_early_hints_than_that_are_an_upstreams_fault(world, client, scripted, way, hints):
    """A client that does not read would have them all wait for it."""
    with scripted.doing(answering_after(*hints)):
        answer = client.answer(client.ask(chat_body(f"scripted-{way}")))
        assert answer.status == 502
    assert world.record(answer.headers["x-request-id"])["outcome"] == "upstream_malformed"
    assert client.answer(client.ask(chat_body(f"scripted-{way}"))).status == 200
