"""Requests that ask for less than an answer with a body, or ask before they send theirs."""

import pytest
from http_clients import Http1Client, chat_body

EXPECTS = {"expect": "100-continue"}


# MARK: HEAD


def test_head_gets_the_head_of_get(client):
    whole = client.answer(client.ask(path="/models"))
    head = client.answer(client.ask(path="/models", method="HEAD"))
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == whole.headers[name]
    assert client.answer(client.ask(path="/models")).body == whole.body, "nothing was left on the connection"


@pytest.mark.parametrize(
    "path, headers, status",
    [("/chat/completions", {}, 405), ("/models/unknown", {}, 404), ("/models", {"authorization": "Bearer wrong"}, 401)],
)
def test_a_refusal_of_head_has_no_body_either(client, path, headers, status):
    answer = client.answer(client.ask(path=path, method="HEAD", headers=headers))
    assert (answer.status, answer.body) == (status, b"")
    assert int(answer.headers["content-length"]) > 0
    assert client.answer(client.ask(path="/models")).status == 200, "nothing was left on the connection"


# MARK: Expect: 100-continue


@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "without"])
def test_a_client_that_waits_is_asked_for_its_body(client, scripted, chunked):
    body = chat_body("scripted-http1", content="x" * 100_000)
    stream = client.ask(body, headers=EXPECTS, chunked=chunked, ends=False)
    client.until_informed(stream, 100)
    client.send_body(stream, body, chunked=chunked)
    answer = client.answer(stream)
    assert (answer.status, answer.information) == (200, [(100, {})])
    assert scripted.last.request.body == body
    assert scripted.last.request.header("expect") is None, "the edge has met the expectation itself"


def test_a_client_that_does_not_wait_is_served_as_well(client, scripted):
    for _ in range(3):
        answer = client.answer(client.ask(chat_body(), headers=EXPECTS))
        assert answer.status == 200
        assert [status for status, _ in answer.information] in ([], [100])


@pytest.mark.parametrize(
    "headers, path, status",
    [
        ({"authorization": "Bearer wrong"}, "/chat/completions", 401),
        ({}, "/unknown", 404),
        ({"content-encoding": "gzip"}, "/chat/completions", 415),
    ],
)
def test_what_is_refused_by_its_head_is_not_asked_for_its_body(client, scripted, headers, path, status):
    stream = client.ask(chat_body(), path=path, headers={**EXPECTS, **headers}, ends=False)
    answer = client.answer(stream)
    assert (answer.status, answer.information) == (status, [])
    assert scripted.exchanges == []


def test_a_body_that_says_it_is_too_long_is_not_asked_for(client):
    stream = client.ask(b"", headers={**EXPECTS, "content-length": str(10**9)}, ends=False, chunked=True)
    answer = client.answer(stream)
    assert (answer.status, answer.information) == (413, [])


def test_a_client_of_http_1_0_is_not_asked_for_its_body(world, scripted):
    """It does not know a head of 1xx, and sends its body unasked."""
    with Http1Client(world, world.edge()) as client:
        client.ask(chat_body(), headers=EXPECTS, version="1.0")
        assert (client.answer().status, client.answer().information) == (200, [])
