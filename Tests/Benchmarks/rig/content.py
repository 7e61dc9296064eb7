"""What is asked and answered: documents and events in the form that OpenAI gives them."""

import base64
import json
import pathlib
import random

SMALL_BYTES = 1024
LARGE_BYTES = 10_000_000
EMBEDDING_BYTES = 1536 * 4
ID = "chatcmpl-CXq1b2c3d4e5f6g7h8i9j0k1l2m3n"


def write_answers(folder: pathlib.Path) -> None:
    """The files that the upstream answers from."""
    folder.mkdir(parents=True)
    (folder / "small.json").write_text(completion())
    (folder / "large.json").write_text(embeddings())
    (folder / "event.txt").write_text(event([_choice({"content": " token"}, None)], None))
    usage = {"prompt_tokens": 200, "completion_tokens": 100, "total_tokens": 300}
    (folder / "last.txt").write_text(event([], usage) + "data: [DONE]\n\n")


def write_requests(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Request bodies by name, in files for the load generators."""
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    texts = {
        "small": chat_request("bench"),
        "small-http1": chat_request("bench-http1"),
        "stream": chat_request("bench", **streamed),
        "stream-http1": chat_request("bench-http1", **streamed),
        "large": json.dumps({"model": "bench", "input": ["a"] * 100, "encoding_format": "base64"}),
    }
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / f"{name}.json").write_text(text)
    return {name: folder / f"{name}.json" for name in texts}


def chat_request(model: str, **more) -> str:
    """A request of exactly SMALL_BYTES bytes."""

    def document(text):
        return json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **more})

    return document("q" * (SMALL_BYTES - len(document(""))))


def completion() -> str:
    """A whole answer of exactly SMALL_BYTES bytes, with usage."""

    def document(text):
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 200, "completion_tokens": 180, "total_tokens": 380}
        head = {"id": ID, "object": "chat.completion", "created": 1763000000, "model": "bench"}
        return json.dumps({**head, "choices": [choice], "usage": usage})

    return document("a" * (SMALL_BYTES - len(document(""))))


def event(choices: list, usage: dict | None) -> str:
    chunk = {
        "id": ID,
        "object": "chat.completion.chunk",
        "created": 1763000000,
        "model": "bench",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
        "choices": choices,
        "usage": usage,
    }
    return f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n"


def embeddings() -> str:
    """The largest answer that such an API gives: embeddings of a batch, in base64. Some LARGE_BYTES bytes."""
    text = base64.b64encode(random.Random(1).randbytes(EMBEDDING_BYTES)).decode()
    count = LARGE_BYTES // (len(text) + 60)
    data = [{"object": "embedding", "index": index, "embedding": text} for index in range(count)]
    usage = {"prompt_tokens": 100_000, "total_tokens": 100_000}
    return json.dumps({"object": "list", "data": data, "model": "bench", "usage": usage})


def _choice(delta: dict, finish_reason: str | None) -> dict:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
