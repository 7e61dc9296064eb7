"""Connections to upstreams are kept, and each may end just when a request goes out on it. Nobody may notice that, and
no request may be sent twice where the first may have been answered."""

import pytest
from http_clients import chat_body
from scripted import WAYS, scripts

HTTP1_WAYS, HTTP2_WAYS = WAYS[:2], WAYS[2:]
LARGE = "x" * 1_000_000


class FirstThen:
    """Answers the first request of each connection; `then` is what it does with the others."""

    def __init__(self, then, *, first=None):
        self._then, self._first = then, first or scripts.chat()
        self._known: set[int] = set()

    async def __call__(self, exchange):
        if exchange.connection in self._known:
            await self._then(exchange)
        else:
            self._known.add(exchange.connection)
            await self._first(exchange)


async def reset(exchange):
    await exchange.cut()


async def close(exchange):
    await exchange.close()


async def refuse(exchange):
    await exchange.refuse()


async def begin_to_answer(exchange):
    await exchange.raw(b"HTTP/1.1 2")
    await exchange.close()


def ask(client, way, content="Hello"):
    return client.answer(client.ask(chat_body(f"scripted-{way}", content=content)))


@pytest.mark.parametrize("way, end", [(way, end) for way in HTTP1_WAYS for end in (reset, close)])
@pytest.mark.parametrize("content", ["Hello", LARGE], ids=["small", "large"])
def test_a_kept_connection_that_ends_as_the_request_goes_out_costs_nothing(client, scripted, way, end, content):
    with scripted.doing(FirstThen(end)):
        assert ask(client, way, content).status == 200
        known = scripted.last.connection
        assert ask(client, way, content).status == 200
        lost, answered = scripted.exchanges[-2:]
    assert lost.connection == known and answered.connection != known
    assert lost.request.body == answered.request.body, "the same request, whole"
    assert len(scripted.exchanges) == 3


@pytest.mark.parametrize("way", HTTP1_WAYS)
@pytest.mark.parametrize("end", [reset, close])
def test_it_is_sent_again_once_and_no_more(world, client, scripted, way, end):
    first = iter([scripts.chat()])

    async def answer_only_the_first(exchange):
        await next(first, end)(exchange)

    with scripted.doing(answer_only_the_first):
        assert ask(client, way).status == 200
        answer = ask(client, way)
    assert answer.status == 502
    assert len(scripted.exchanges) == 3
    record = world.record(answer.headers["x-request-id"])
    assert (record["outcome"], record["attempts"]) == ("upstream_cut", 2)


@pytest.mark.parametrize("way", HTTP1_WAYS)
def test_it_is_not_sent_again_once_the_answer_has_begun(client, scripted, way):
    with scripted.doing(FirstThen(begin_to_answer)):
        assert ask(client, way).status == 200
        assert ask(client, way).status == 502
    assert len(scripted.exchanges) == 2


@pytest.mark.parametrize("way", HTTP1_WAYS)
@pytest.mark.parametrize("end", [reset, close])
def test_a_new_connection_that_ends_is_no_stale_one(client, scripted, way, end):
    """The upstream may have done the work: nothing says that it had not looked at the request."""

    async def answer_the_new_ones(exchange):
        await scripts.chat()(exchange)
        exchange.keep_alive = False

    with scripted.doing(answer_the_new_ones):
        # Each ends one of those that were kept, of which there may be some.
        for _ in range(4):
            assert ask(client, way).status == 200
    with scripted.doing(end):
        assert ask(client, way).status == 502
    assert len(scripted.exchanges) == 1


@pytest.mark.parametrize("way", HTTP2_WAYS)
def test_a_stream_that_the_upstream_did_not_look_at_is_sent_again(client, scripted, way):
    with scripted.doing(FirstThen(refuse)):
        assert ask(client, way, LARGE).status == 200
        assert ask(client, way, LARGE).status == 200
    refused, answered = scripted.exchanges[-2:]
    assert refused.request.body == answered.request.body
    assert refused.connection != answered.connection


@pytest.mark.parametrize("way", HTTP2_WAYS)
def test_an_upstream_that_refuses_every_stream_is_given_up(client, scripted, way):
    with scripted.doing(refuse):
        assert ask(client, way).status == 502
    assert 2 <= len(scripted.exchanges) <= 3


FORGED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"forged\": 1}"
BODILESS = {
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "length 0": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
}


@pytest.mark.parametrize("way", HTTP1_WAYS)
@pytest.mark.parametrize("bodiless", BODILESS)
def test_what_follows_an_answer_without_a_body_answers_nobody(client, scripted, way, bodiless):
    """One piece of bytes brings the answer and a forged one, which would be the next customer's."""

    async def poison(exchange):
        await exchange.raw(BODILESS[bodiless] + FORGED)

    answers = iter([poison])

    async def poison_the_first(exchange):
        await next(answers, scripts.chat())(exchange)

    with scripted.doing(poison_the_first):
        assert not ask(client, way).body
        answer = ask(client, way)
        assert answer.status == 200 and b"Hello from the script" in answer.body
        assert scripted.exchanges[0].connection != scripted.last.connection


@pytest.mark.parametrize("way", HTTP1_WAYS)
def test_an_upstream_that_speaks_unasked_is_not_asked_again(client, scripted, way):
    async def answer_twice(exchange):
        await scripts.chat()(exchange)
        await exchange.raw(FORGED)
        await exchange.until_gone()

    with scripted.doing(answer_twice):
        assert ask(client, way).status == 200
        assert scripted.last.gone.wait(30)
    with scripted.doing(scripts.chat()):
        assert b"Hello from the script" in ask(client, way).body
