"""Official SDKs, unchanged but for their base URL, get real answers through every edge."""

import asyncio
import json

import pytest
from devfleet.fleet import REGIONS
from scripted import WAYS
from world import chat_request, events, message_request

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
TEXT = "Hello from the script"


@pytest.mark.parametrize("region", REGIONS)
def test_a_real_model_answers_through_every_edge(world, region):
    answer = world.openai(region).chat.completions.create(
        model="gemma3-270m", messages=QUESTION, max_tokens=20, temperature=0, stop=["\n"]
    )
    assert "Paris" in answer.choices[0].message.content
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0


@pytest.mark.parametrize("region", REGIONS)
def test_a_real_model_streams_through_every_edge(world, region, http2):
    stream = world.openai(region, http2=http2).chat.completions.create(
        model="gemma3-270m", messages=QUESTION, max_tokens=20, temperature=0, stop=["\n"], stream=True
    )
    chunks = list(stream)
    assert "Paris" in "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_openai_sdk_whole_answer(world, scripted, http2):
    raw = world.openai(http2=http2).chat.completions.with_raw_response.create(**chat_request())
    assert raw.http_response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert raw.parse().choices[0].message.content == TEXT


def test_openai_sdk_stream(world, scripted, http2):
    stream = world.openai(http2=http2).chat.completions.create(**chat_request(stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == TEXT


def test_openai_sdk_stream_that_two_tasks_read_at_once(world, scripted, http2):
    async def read(client):
        stream = await client.chat.completions.create(**chat_request(stream=True))
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def both():
        async with world.openai_async(http2=http2) as client:
            return await asyncio.gather(*(read(client) for _ in range(8)))

    assert asyncio.run(both()) == [TEXT] * 8


def test_anthropic_sdk_whole_answer(world, scripted, http2):
    answer = world.anthropic(http2=http2).messages.create(**message_request())
    assert answer.content[0].text == TEXT
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 7)


def test_anthropic_sdk_stream(world, scripted, http2):
    request = message_request()
    with world.anthropic(http2=http2).messages.stream(**request) as stream:
        assert "".join(stream.text_stream) == TEXT
        assert stream.get_final_message().usage.output_tokens == 7


def test_anthropic_sdk_asynchronous_stream(world, scripted, http2):
    async def read():
        async with world.anthropic_async(http2=http2) as client:
            async with client.messages.stream(**message_request()) as stream:
                return "".join([text async for text in stream.text_stream])

    assert asyncio.run(read()) == TEXT


def test_the_second_provider_answers_in_both_dialects(world):
    world.mock()
    chat = world.openai().chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert chat.choices[0].message.content
    message = world.anthropic().messages.create(model="claude-sonnet-5", max_tokens=50, messages=QUESTION)
    assert message.content[0].text
    with world.anthropic().messages.stream(
        model="claude-sonnet-5", max_tokens=50, messages=QUESTION
    ) as stream:
        assert stream.get_final_text()


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("tls", ["--tlsv1.2", "--tlsv1.3"])
def test_curl(world, scripted, version, tls):
    maximum = ["--tls-max", tls.removeprefix("--tlsv")]
    result = world.curl(
        version,
        tls,
        *maximum,
        "-D",
        "-",
        world.url("/chat/completions"),
        "-H",
        "content-type: application/json",
        "-d",
        json.dumps(chat_request(stream=True)),
    )
    assert result.returncode == 0, result.stderr
    head, _, body = result.stdout.partition("\n\n")
    assert head.startswith("HTTP/2 200" if version == "--http2" else "HTTP/1.1 200")
    assert "text/event-stream" in head
    assert events(body)[-1] == "[DONE]"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_every_way_of_speaking_to_an_upstream(world, scripted, way, stream, http2):
    with world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request(f"scripted-{way}", stream))
    assert answer.status_code == 200
    assert scripted.last.request.protocol == ("h2" if way.startswith("http2") else "http/1.1")
    if stream:
        assert events(answer.text)[-1] == "[DONE]"
    else:
        assert answer.json()["choices"][0]["message"]["content"] == TEXT


def test_tool_calls_arrive_as_the_provider_sent_them(world):
    world.mock({"type": "reply", "tool_calls": [{"name": "weather", "arguments": {"city": "Paris"}}]})
    tools = [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            },
        }
    ]
    answer = world.openai().chat.completions.create(model="gpt-4o-mini", messages=QUESTION, tools=tools)
    call = answer.choices[0].message.tool_calls[0].function
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Paris"})


def test_streamed_tool_calls_keep_their_index(world):
    world.mock({"type": "reply", "tool_calls": [{"name": "weather", "arguments": {"city": "Paris"}}]})
    tools = [
        {
            "type": "function",
            "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
        }
    ]
    stream = world.openai().chat.completions.create(
        model="gpt-4o-mini", messages=QUESTION, tools=tools, stream=True
    )
    deltas = [call for chunk in stream for choice in chunk.choices for call in choice.delta.tool_calls or []]
    assert {delta.index for delta in deltas} == {0}
    assert json.loads("".join(delta.function.arguments or "" for delta in deltas)) == {"city": "Paris"}


@pytest.mark.parametrize("model", ["gemma3-270m", "text-embedding-3-small"])
def test_embeddings(world, model):
    world.mock()
    answer = world.openai().embeddings.create(model=model, input="a harbour at night")
    assert len(answer.data[0].embedding) > 100
    assert answer.usage.prompt_tokens >= 0


def test_responses_pass_with_their_typed_events(world):
    world.mock()
    answer = world.openai().responses.create(model="gpt-4o-mini", input="Hello")
    assert answer.output_text
    stream = world.openai().responses.create(model="gpt-4o-mini", input="Hello", stream=True)
    assert [event.type for event in stream][-1] == "response.completed"
