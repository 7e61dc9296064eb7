"""Ready-made answers in both dialects, good and bad. Each function returns a script for one exchange."""

import asyncio
import json
import threading

from .exchange import Exchange, Script

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
MESSAGE_USAGE = {"input_tokens": 11, "output_tokens": 7}
EVENTS = {"content-type": "text/event-stream"}


def chat(text="Hello from the script", usage=USAGE, headers=None) -> Script:
    async def script(exchange: Exchange):
        await exchange.answer(
            200, json.dumps(chat_document(exchange.request.json["model"], text, usage)).encode(), headers
        )

    return script


def chat_document(model, text, usage) -> dict:
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": usage,
    }


def chat_stream(
    texts=("Hello", " from", " the script"),
    *,
    usage=USAGE,
    done=True,
    framing="chunked",
    pause=None,
    split=None,
    ending="\n",
) -> Script:
    """A stream of deltas. `usage=None` leaves the usage chunk out, `done=False` the end mark; `split` sends
    so many bytes at a time; `pause` is awaited after each delta."""

    async def script(exchange: Exchange):
        asked = (exchange.request.json.get("stream_options") or {}).get("include_usage", False)
        await exchange.head(200, EVENTS, framing=framing)
        for event in chat_events(exchange.request.json["model"], texts, usage if asked else None, done):
            data = event.replace("\n", ending).encode()
            for start in range(0, len(data), split or len(data)):
                await exchange.write(data[start : start + (split or len(data))])
            if pause:
                await pause(exchange)
        await exchange.end()

    return script


def chat_events(model, texts, usage, done) -> list[str]:
    def chunk(choices, **more):
        document = {
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
            "choices": choices,
            **({"usage": None} if usage else {}),
            **more,
        }
        return f"data: {json.dumps(document)}\n\n"

    def delta(content, finish=None):
        return chunk([{"index": 0, "delta": content, "finish_reason": finish}])

    events = [
        delta({"role": "assistant", "content": ""}),
        *(delta({"content": text}) for text in texts),
        delta({}, "stop"),
    ]
    if usage:
        events.append(chunk([], usage=usage))
    if done:
        events.append("data: [DONE]\n\n")
    return events


def message(text="Hello from the script", usage=MESSAGE_USAGE) -> Script:
    async def script(exchange: Exchange):
        document = {
            "id": "msg_scripted",
            "type": "message",
            "role": "assistant",
            "model": exchange.request.json["model"],
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
        await exchange.answer(200, json.dumps(document).encode(), {"request-id": "req_upstream"})

    return script


def message_stream(
    texts=("Hello", " from", " the script"), *, usage=MESSAGE_USAGE, stop=True, pause=None
) -> Script:
    async def script(exchange: Exchange):
        await exchange.head(200, EVENTS)
        for name, document in message_events(exchange.request.json["model"], texts, usage, stop):
            await exchange.write(
                f"event: {name}\ndata: {json.dumps({'type': name, **document})}\n\n".encode()
            )
            if pause:
                await pause(exchange)
        await exchange.end()

    return script


def message_events(model, texts, usage, stop) -> list[tuple[str, dict]]:
    start = {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1},
    }
    block = {"index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = [
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}}) for text in texts
    ]
    end = [
        ("content_block_stop", {"index": 0}),
        (
            "message_delta",
            {
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": usage["output_tokens"]},
            },
        ),
        ("message_stop", {}),
    ]
    events = [("message_start", {"message": start}), ("content_block_start", block), ("ping", {}), *deltas]
    return events + end if stop else events


def chat_or_message() -> Script:
    """Answers well whatever is asked: by the path's dialect, as a stream where one is wanted."""

    async def script(exchange: Exchange):
        request = exchange.request
        if request.path.endswith("/messages"):
            choose = message_stream() if request.json.get("stream") else message()
        else:
            choose = chat_stream() if request.json.get("stream") else chat()
        await choose(exchange)

    return script


def when(event: threading.Event, then: Script | None = None) -> Script:
    """Waits for the test and then goes on."""

    async def script(exchange: Exchange):
        await asyncio.to_thread(event.wait, 60)
        if then:
            await then(exchange)

    return script


def error(status: int, body: bytes | dict, headers=None) -> Script:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def script(exchange: Exchange):
        await exchange.answer(status, data, headers)

    return script


def cut_before_head() -> Script:
    async def script(exchange: Exchange):
        await exchange.cut()

    return script


def cut_after(events: list[str]) -> Script:
    """Sends the events and breaks the connection off."""

    async def script(exchange: Exchange):
        await exchange.head(200, EVENTS)
        for event in events:
            await exchange.write(event.encode())
        await exchange.cut()

    return script


def end_after(events: list[str], framing="chunked") -> Script:
    """Sends the events and ends in good order, whatever the dialect still expects."""

    async def script(exchange: Exchange):
        await exchange.head(200, EVENTS, framing=framing)
        for event in events:
            await exchange.write(event.encode())
        await exchange.end()

    return script


def stall_after(events: list[str]) -> Script:
    """Sends the events and then nothing more, until the other side goes away."""

    async def script(exchange: Exchange):
        await exchange.head(200, EVENTS)
        for event in events:
            await exchange.write(event.encode())
        await exchange.until_gone()

    return script


def endless(text="word ") -> Script:
    """A stream that goes on until the other side goes away."""

    async def script(exchange: Exchange):
        await exchange.head(200, EVENTS)
        event = chat_events(exchange.request.json["model"], [text], None, False)[1].encode()
        while True:
            await exchange.write(event)
            await asyncio.sleep(0.005)

    return script


def endless_document() -> Script:
    """An answer in one JSON document that goes on until the other side goes away."""

    async def script(exchange: Exchange):
        await exchange.head(200, {"content-type": "application/json"})
        await exchange.write(b'{"id":"chatcmpl-scripted","object":"chat.completion","choices":[{"index":0}')
        while True:
            await exchange.write(b',{"index":0}')
            await asyncio.sleep(0.005)

    return script
