"""Whatever an upstream does, the client sees the truth in its dialect, and the record says what happened."""

import json
import threading

import anthropic
import openai
import pytest
from http_clients import chat_body
from scripted import WAYS, scripts
from world import STRICT, chat_request, events, message_request

CHUNKS = scripts.chat_events("scripted", ["Half", " of"], None, False)[:3]
MESSAGE_START = "".join(
    f"event: {name}\ndata: {json.dumps({'type': name, **document})}\n\n"
    for name, document in scripts.message_events("m", ["Half"], scripts.MESSAGE_USAGE, False)
)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 502, 503, 529])
def test_an_error_status_passes_with_its_body(world, scripted, status, http2):
    body = {
        "error": {
            "message": "the upstream's own words",
            "type": "some_type",
            "param": None,
            "code": "some_code",
        }
    }
    with scripted.doing(scripts.error(status, body)), world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request())
    # The upstream's refusal of our credential is not the caller's mistake, and must not look like one.
    if status in (401, 403):
        assert answer.status_code in (status, 502, 503)
    else:
        assert answer.status_code == status
        assert answer.json() == body
    record = world.record(answer.headers["x-request-id"])
    assert (record["outcome"], record["upstream_status"]) == ("upstream_error", status)
    assert (record["usage_source"], record["cost_nano_usd"]) == ("none", 0)


def test_a_full_upstream_tells_the_client_when_to_come_back(world, scripted, http2):
    body = {
        "error": {
            "message": "slow down",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }
    with (
        scripted.doing(scripts.error(429, body, {"retry-after": "7"})),
        pytest.raises(openai.RateLimitError) as error,
    ):
        world.openai(http2=http2).chat.completions.create(**chat_request())
    assert error.value.response.headers["retry-after"] == "7"
    assert error.value.code == "rate_limit_exceeded"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_mock_providers_errors_become_the_sdks_own(world, provider):
    for status, name in ((429, "RateLimitError"), (500, "InternalServerError"), (503, "InternalServerError")):
        world.mock({"type": "fail", "status": status, "match": {"provider": provider}})
        sdk = openai if provider == "openai" else anthropic
        with pytest.raises(sdk.APIStatusError) as error:
            ask_mock(world, provider)
        assert error.value.status_code == status
        assert name in {parent.__name__ for parent in type(error.value).__mro__}


def ask_mock(world, provider, stream=False):
    messages = [{"role": "user", "content": "Hello"}]
    if provider == "openai":
        answer = world.openai().chat.completions.create(model="gpt-4o-mini", messages=messages, stream=stream)
    else:
        answer = world.anthropic().messages.create(
            model="claude-sonnet-5", max_tokens=50, messages=messages, stream=stream
        )
    return list(answer) if stream else answer


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("kind", ["disconnect", "truncate"])
def test_the_mock_providers_broken_streams_raise_in_the_sdk(world, provider, kind):
    """Straight from the provider, the SDKs accept a truncated stream in silence; through an edge they do
    not."""
    world.mock({"type": "stream_fault", "kind": kind, "after_chunks": 2, "match": {"provider": provider}})
    sdk = openai if provider == "openai" else anthropic
    with pytest.raises(sdk.APIError):
        ask_mock(world, provider, stream=True)


def test_an_sdk_comes_back_when_the_provider_said_and_not_before(world):
    """The edge tells the SDK truly how long to wait, and adds no attempts of its own: the provider, which
    grades its clients, finds nothing wrong."""
    world.mock({"type": "fail", "status": 429, "retry_after": 1})
    answer = world.openai(retries=2).chat.completions.create(**chat_request("gpt-4o-mini"))
    assert answer.choices[0].message.content
    verdict = world.mock_verdict()
    assert (verdict["attempts"], verdict["errors"]) == (2, 0), verdict["findings"]


def test_an_upstream_that_is_down(world, http2):
    with world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request("nowhere"))
    assert answer.status_code in (502, 503)
    assert set(answer.json()["error"]) >= {"message", "type", "param", "code"}
    record = world.record(answer.headers["x-request-id"])
    assert (record["outcome"], record["upstream_status"]) == ("upstream_unreachable", 0)
    assert (record["usage_source"], record["cost_nano_usd"]) == ("none", 0)


@pytest.mark.parametrize("way", WAYS)
def test_an_upstream_that_closes_without_a_word(world, scripted, way, http2):
    with scripted.doing(scripts.cut_before_head()), world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request(f"scripted-{way}"))
    assert answer.status_code in (502, 503)
    record = world.record(answer.headers["x-request-id"])
    assert record["outcome"] in ("upstream_cut", "upstream_unreachable")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [scripts.cut_after, scripts.end_after], ids=["cut", "ended early"])
def test_a_cut_stream_never_looks_complete(world, scripted, way, fault, http2):
    with scripted.doing(fault(CHUNKS)), world.http(http2=http2) as client:
        seen, headers = read_until_broken(client, chat_request(f"scripted-{way}", stream=True))
    assert "Half" in seen and "[DONE]" not in seen
    assert "error" in json.loads(events(seen)[-1])
    record = world.record(headers["x-request-id"])
    assert record["outcome"] == "upstream_cut"
    assert record["usage_source"] == "estimated" and record["output_tokens"] > 0


def test_the_control_a_whole_stream_ends_with_its_mark(world, scripted):
    with world.http() as client:
        seen, _ = read_until_broken(client, chat_request(stream=True))
    assert events(seen)[-1] == "[DONE]"


def test_openai_sdk_raises_on_a_cut_stream(world, scripted, http2):
    with scripted.doing(scripts.cut_after(CHUNKS)), pytest.raises(openai.APIError):
        list(world.openai(http2=http2).chat.completions.create(**chat_request(stream=True)))


def test_anthropic_sdk_raises_on_a_cut_stream(world, scripted, http2):
    with scripted.doing(scripts.cut_after([MESSAGE_START])), pytest.raises(anthropic.APIError):
        list(world.anthropic(http2=http2).messages.create(**message_request(stream=True)))


def test_a_cut_message_stream_ends_with_its_dialects_error(world, scripted):
    with scripted.doing(scripts.end_after([MESSAGE_START])), world.http() as client:
        seen, headers = read_until_broken(client, message_request(stream=True), "/messages")
    assert "message_stop" not in seen
    assert "event: error" in seen
    assert json.loads(events(seen)[-1])["error"]["type"]
    assert world.record(headers["x-request-id"])["outcome"] == "upstream_cut"


def test_a_whole_answer_that_is_cut_short(world, scripted, http2):
    async def promise_more(exchange):
        await exchange.head(200, {"content-type": "application/json"}, framing="length", length=1000)
        await exchange.write(b'{"choices": [')
        await exchange.cut()

    with scripted.doing(promise_more), world.http(http2=http2) as client, pytest.raises(Exception) as error:
        client.post("/chat/completions", json=chat_request()).json()
    assert type(error.value).__name__ in ("RemoteProtocolError", "ReadError", "JSONDecodeError")


WHOLE_ANSWER = json.dumps(scripts.chat_document("m", "Hello", scripts.USAGE)).encode()


def ending_with_its_connection(text, end, head_is_there=None):
    """An answer that nothing but its connection's end can end, which comes when the client has the head."""

    async def answer(exchange):
        await exchange.head(200, {"content-type": "application/json"}, framing="close")
        await exchange.write(text)
        if head_is_there:
            await scripts.when(head_is_there)(exchange)
        await end(exchange)

    return answer


async def in_order(exchange):
    await exchange.end()


async def without_a_word(exchange):
    await exchange.fall_silent()
    await exchange.until_gone()


@pytest.mark.parametrize(
    ("way", "text", "end"),
    [
        ("http1", WHOLE_ANSWER[:-10], in_order),
        ("http1-tls", WHOLE_ANSWER[:-10], in_order),
        ("http1-tls", WHOLE_ANSWER[:-10], without_a_word),
        ("http1-tls", WHOLE_ANSWER, without_a_word),
    ],
    ids=["cut", "cut over TLS", "cut, and TLS not ended", "TLS not ended"],
)
def test_an_answer_that_its_connection_ended_too_early_does_not_look_whole(world, client, scripted, way, text, end):
    head_is_there = threading.Event()
    with scripted.doing(ending_with_its_connection(text, end, head_is_there)):
        stream = client.ask(chat_body(f"scripted-{way}"))
        request_id = client.head(stream).headers["x-request-id"]
        head_is_there.set()
        with pytest.raises((EOFError, OSError)):
            client.answer(stream)
    assert world.record(request_id)["outcome"] == "upstream_cut"


@pytest.mark.parametrize("way", ["http1", "http1-tls"])
def test_the_control_one_that_its_connection_ended_in_order_is_whole(world, client, scripted, way):
    with scripted.doing(ending_with_its_connection(WHOLE_ANSWER, in_order)):
        answer = client.answer(client.ask(chat_body(f"scripted-{way}")))
    assert (answer.status, bytes(answer.body)) == (200, WHOLE_ANSWER)
    assert world.record(answer.headers["x-request-id"])["outcome"] == "completed"


@pytest.mark.parametrize(
    "bad", ["data: {\n\n", "data: not json\n\n", "data: \xff\n\n", "\x00\x00\n\n"], ids=repr
)
def test_a_malformed_event_passes_or_ends_the_stream_but_breaks_nothing(world, scripted, bad, http2):
    end = scripts.chat_events("m", [], scripts.USAGE, True)
    with scripted.doing(scripts.end_after([*CHUNKS, bad, *end])), world.http(http2=http2) as client:
        seen, headers = read_until_broken(client, chat_request(stream=True))
    assert "Half" in seen
    assert world.record(headers["x-request-id"])["outcome"] in ("completed", "upstream_malformed")


def test_an_answer_that_is_not_json(world, scripted, http2):
    with scripted.doing(scripts.error(200, b"<html>oops</html>", {"content-type": "text/html"})):
        with world.http(http2=http2) as client:
            answer = client.post("/chat/completions", json=chat_request())
    record = world.record(answer.headers["x-request-id"])
    assert record["usage_source"] in ("none", "estimated")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x15\x03\x01\x00\x02",
        b"SSH-2.0-hello\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    ],
    ids=repr,
)
def test_an_upstream_that_does_not_speak_http(world, scripted, garbage):
    async def talk_nonsense(exchange):
        await exchange.raw(garbage)
        await exchange.cut()

    with scripted.doing(talk_nonsense), world.http() as client:
        answer = client.post("/chat/completions", json=chat_request())
    assert answer.status_code in (502, 503)
    assert world.record(answer.headers["x-request-id"])["outcome"] in ("upstream_malformed", "upstream_cut")


def test_an_error_event_inside_a_stream_passes_and_is_recorded(world, scripted):
    event = (
        'data: {"error": {"message": "overloaded", "type": "server_error", "param": null, "code": null}}\n\n'
    )
    with scripted.doing(scripts.end_after([*CHUNKS, event])), world.http() as client:
        seen, headers = read_until_broken(client, chat_request(stream=True))
    assert json.loads(events(seen)[-1])["error"]["message"] == "overloaded"
    assert world.record(headers["x-request-id"])["outcome"] == "upstream_error"


def test_a_stream_that_falls_silent_is_ended_with_an_error(world, scripted, http2):
    with scripted.doing(scripts.stall_after(CHUNKS)), world.http(STRICT, http2=http2) as client:
        seen, headers = read_until_broken(client, chat_request(stream=True))
        assert scripted.last.gone.wait(30)
    assert "[DONE]" not in seen and "error" in json.loads(events(seen)[-1])
    assert world.record(headers["x-request-id"])["outcome"] == "upstream_timeout"


def test_a_reused_connection_that_the_upstream_closed_meanwhile_costs_the_client_nothing(world, scripted):
    """An idle connection dies between two requests: the second one goes out on a new connection."""

    async def answer_and_close(exchange):
        await scripts.chat()(exchange)
        exchange.keep_alive = False

    with scripted.doing(answer_and_close), world.http() as client:
        answers = [client.post("/chat/completions", json=chat_request()).status_code for _ in range(20)]
    assert answers == [200] * 20


def read_until_broken(client, request, path="/chat/completions"):
    """What came of a stream, also when its connection broke."""
    seen = b""
    with client.stream("POST", path, json=request) as answer:
        try:
            for data in answer.iter_raw():
                seen += data
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ in ("RemoteProtocolError", "ReadError")
    return seen.decode(errors="replace"), answer.headers
