"""Every request leaves one record with the right counts and the right cost, and nothing that was said."""

import json

import pytest
from scripted import scripts
from world import chat_request, events, message_request

# 11 input tokens at 2.5 and 7 output tokens at 10 USD per million: 27.5 + 70 micro-USD.
COST = 97_500


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_chat_completion_is_counted_and_priced(world, scripted, stream, http2):
    with world.http("eu-west", http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request(stream=stream))
    record = world.record(answer.headers["x-request-id"])
    assert (record["usage_source"], record["input_tokens"], record["output_tokens"]) == ("provider", 11, 7)
    assert record["cost_nano_usd"] == COST
    assert (record["status"], record["upstream_status"], record["outcome"]) == (200, 200, "completed")
    assert record["streamed"] is stream
    assert (record["edge_region"], record["region"]) == ("eu-west", "us-east")
    assert (record["team"], record["model"], record["upstream"]) == ("tests", "scripted", "scripted-http1")
    assert record["attempts"] == 1
    assert record["duration_microseconds"] >= record["first_byte_microseconds"] > 0
    assert record["request_bytes"] > 0 and record["response_bytes"] > 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_message_is_counted_and_priced(world, scripted, stream):
    usage = {
        "input_tokens": 5,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 2,
        "output_tokens": 7,
    }
    choose = scripts.message_stream if stream else scripts.message
    with scripted.doing(choose(usage=usage)), world.http() as client:
        answer = client.post("/messages", json=message_request(stream=stream))
    record = world.record(answer.headers["x-request-id"])
    # Input holds what was read from and written to the cache: 5 + 4 + 2.
    assert (record["input_tokens"], record["cached_input_tokens"], record["cache_write_tokens"]) == (11, 4, 2)
    assert record["output_tokens"] == 7
    assert record["cost_nano_usd"] == COST


def test_cached_and_reasoning_tokens_are_kept_apart(world, scripted):
    usage = {
        **scripts.USAGE,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    with scripted.doing(scripts.chat(usage=usage)), world.http() as client:
        answer = client.post("/chat/completions", json=chat_request())
    record = world.record(answer.headers["x-request-id"])
    assert (record["cached_input_tokens"], record["reasoning_tokens"]) == (8, 3)


def test_the_real_models_counts_are_the_records_counts(world):
    raw = world.openai("ap-southeast").chat.completions.with_raw_response.create(
        model="gemma3-270m", messages=[{"role": "user", "content": "Hello"}], max_tokens=8
    )
    usage = raw.parse().usage
    record = world.record(raw.headers["x-request-id"])
    assert (record["input_tokens"], record["output_tokens"]) == (usage.prompt_tokens, usage.completion_tokens)
    # 0.10 and 0.40 USD per million tokens are 100 and 400 nano-USD a token.
    assert record["cost_nano_usd"] == 100 * usage.prompt_tokens + 400 * usage.completion_tokens


def test_a_client_that_did_not_ask_for_usage_sees_none(world, scripted, http2):
    with world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request(stream=True))
    assert scripted.last.request.json["stream_options"] == {"include_usage": True}
    chunks = [json.loads(event) for event in events(answer.text)[:-1]]
    assert chunks and all("usage" not in chunk and chunk["choices"] for chunk in chunks)
    assert world.record(answer.headers["x-request-id"])["output_tokens"] == 7


def test_a_client_that_asked_for_usage_sees_it_once(world, scripted, http2):
    request = chat_request(stream=True, stream_options={"include_usage": True})
    with world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=request)
    chunks = [json.loads(event) for event in events(answer.text)[:-1]]
    assert [chunk["usage"] for chunk in chunks] == [None] * (len(chunks) - 1) + [scripts.USAGE]


def test_a_client_that_said_no_to_usage_sees_none(world, scripted):
    request = chat_request(stream=True, stream_options={"include_usage": False})
    with world.http() as client:
        answer = client.post("/chat/completions", json=request)
    assert all("usage" not in json.loads(event) for event in events(answer.text)[:-1])
    assert world.record(answer.headers["x-request-id"])["output_tokens"] == 7


def test_what_the_upstream_did_not_count_is_estimated_and_says_so(world, scripted):
    with scripted.doing(scripts.chat_stream(usage=None)), world.http() as client:
        answer = client.post("/chat/completions", json=chat_request(stream=True))
    record = world.record(answer.headers["x-request-id"])
    assert record["usage_source"] == "estimated"
    assert record["input_tokens"] > 0 and record["output_tokens"] > 0
    assert record["outcome"] == "completed"


def test_a_reported_zero_stays_zero(world, scripted):
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    with scripted.doing(scripts.chat(usage=usage)), world.http() as client:
        answer = client.post("/chat/completions", json=chat_request())
    record = world.record(answer.headers["x-request-id"])
    assert (record["usage_source"], record["input_tokens"], record["output_tokens"]) == ("provider", 0, 0)
    assert record["cost_nano_usd"] == 0


def test_embeddings_are_counted(world):
    raw = world.openai().embeddings.with_raw_response.create(model="gemma3-270m", input="a harbour at night")
    record = world.record(raw.headers["x-request-id"])
    assert record["input_tokens"] == raw.parse().usage.prompt_tokens > 0
    assert record["output_tokens"] == 0


def test_listing_models_leaves_no_record(world):
    with world.http() as client:
        answer = client.get("/models")
    later = world.openai().chat.completions.with_raw_response.create(**chat_request())
    world.record(later.headers["x-request-id"])
    assert world.fleet.control_plane.usage(answer.headers["x-request-id"]) == []
