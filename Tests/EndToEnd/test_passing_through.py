"""An edge changes only what it must: what goes to the upstream and what comes back is otherwise the sender's
own."""

import gzip
import json

import pytest
from scripted import scripts
from world import chat_request, events, message_request


def test_the_body_reaches_the_upstream_byte_for_byte_but_for_the_models_name(world, scripted, http2):
    messages = '[{"role":"user","content":"caf\\u00e9 \u2615 \\" model"}]'
    body = '{ "messages" : ' + messages + ',\n "model":"scripted",  "x":1e-9 }'
    with world.http(http2=http2) as client:
        client.post("/chat/completions", content=body.encode(), headers={"content-type": "application/json"})
    assert scripted.last.request.body.decode() == body.replace('"scripted"', '"the-upstreams-own-name"')


def test_a_large_body_passes_whole(world, scripted, http2):
    content = "0123456789abcdef" * 200_000
    with world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request("scripted-http2", content=content))
    assert answer.status_code == 200
    assert scripted.last.request.json["messages"][0]["content"] == content


def test_a_large_answer_passes_whole(world, scripted, http2):
    text = "fedcba9876543210" * 200_000
    with scripted.doing(scripts.chat(text)), world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request())
    assert answer.json()["choices"][0]["message"]["content"] == text


def test_headers_of_the_sdk_and_unknown_ones_reach_the_upstream(world, scripted, http2):
    headers = {"anthropic-beta": "new-thing-2026-01-01,other", "x-something-new": "kept"}
    world.anthropic(http2=http2).messages.create(**message_request(), extra_headers=headers)
    request = scripted.last.request
    assert request.header("anthropic-beta") == headers["anthropic-beta"]
    assert request.header("x-something-new") == "kept"
    assert request.header("x-stainless-lang") == "python"
    assert request.header("anthropic-version")


def test_the_callers_key_goes_no_further_and_the_upstream_gets_its_own_credential(world, scripted, http2):
    world.openai(http2=http2).chat.completions.create(**chat_request())
    assert scripted.last.request.header("authorization") == f"Bearer {world.credential}"
    world.anthropic(http2=http2).messages.create(**message_request())
    assert scripted.last.request.header("x-api-key") == world.credential
    for exchange in scripted.exchanges:
        assert world.key not in repr(exchange.request)


def test_connection_headers_go_no_further(world, scripted):
    headers = {
        "connection": "x-only-for-the-edge",
        "x-only-for-the-edge": "1",
        "te": "trailers",
        "cookie": "a=b",
    }
    with world.http() as client:
        client.post("/chat/completions", json=chat_request(), headers=headers)
    assert scripted.last.request.header("x-only-for-the-edge") is None


def test_answers_carry_the_edges_own_headers(world, scripted, http2):
    with world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request())
    assert answer.headers["x-request-id"]
    assert answer.headers["x-strait-edge"]
    assert answer.headers["x-strait-region"] == "us-east"


def test_the_providers_account_and_connection_headers_do_not_come_back(world, scripted):
    headers = {"openai-organization": "org-secret", "openai-version": "2020-10-01", "x-new-header": "kept"}
    with scripted.doing(scripts.chat(headers=headers)), world.http() as client:
        answer = client.post("/chat/completions", json=chat_request())
    assert "openai-organization" not in answer.headers
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["x-new-header"] == "kept"


def test_every_exchange_has_an_id_of_its_own(world, scripted, http2):
    with world.http(http2=http2) as client:
        ids = [
            client.post("/chat/completions", json=chat_request()).headers["x-request-id"] for _ in range(5)
        ]
    assert len(set(ids)) == 5


def test_usage_is_read_although_the_client_offers_compression(world, scripted):
    """SDKs send accept-encoding; an upstream that takes them up on it would hide the usage."""

    async def compress_where_allowed(exchange):
        document = json.dumps(scripts.chat_document("m", "hello", scripts.USAGE)).encode()
        if "gzip" in (exchange.request.header("accept-encoding") or ""):
            await exchange.answer(200, gzip.compress(document), {"content-encoding": "gzip"})
        else:
            await exchange.answer(200, document)

    with scripted.doing(compress_where_allowed):
        raw = world.openai().chat.completions.with_raw_response.create(**chat_request())
    assert raw.parse().choices[0].message.content == "hello"
    record = world.record(raw.headers["x-request-id"])
    assert (record["usage_source"], record["input_tokens"], record["output_tokens"]) == ("provider", 11, 7)


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_stream_split_at_every_byte_arrives_whole(world, scripted, framing, http2):
    text = "naïve ☕ 漢字"
    with (
        scripted.doing(scripts.chat_stream([text], split=1, framing=framing)),
        world.http(http2=http2) as client,
    ):
        answer = client.post("/chat/completions", json=chat_request(stream=True))
    contents = [json.loads(event)["choices"][0]["delta"].get("content") for event in events(answer.text)[:-1]]
    assert text in contents


@pytest.mark.parametrize("ending", ["\r\n", "\r"], ids=["CRLF", "CR"])
def test_all_line_endings_are_understood(world, scripted, ending):
    with scripted.doing(scripts.chat_stream(ending=ending)), world.http() as client:
        answer = client.post("/chat/completions", json=chat_request(stream=True))
    assert "[DONE]" in answer.text
    assert world.record(answer.headers["x-request-id"])["output_tokens"] == 7
