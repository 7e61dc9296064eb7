"""Taking unasked usage out of a chat stream, judged with the official SDK's own decoder of events."""

import json
import random

from openai._streaming import SSEDecoder
from probe import seed, verdicts

NEWLINES = ["\n", "\r\n", "\r"]


def _events(stream: bytes) -> list[tuple[str | None, object]]:
    decoded = []
    for event in SSEDecoder().iter_bytes(iter([stream])):
        done = event.data.startswith("[DONE]")
        decoded.append((event.event, event.data if done or not event.data else json.loads(event.data)))
    return decoded


def _without_usage(events: list) -> list:
    kept = []
    for name, data in events:
        if isinstance(data, dict) and "usage" in data:
            if data.get("choices") == [] and data["usage"] is not None:
                continue
            data = {key: value for key, value in data.items() if key != "usage"}
        kept.append((name, data))
    return kept


def _chunk(choice: random.Random) -> dict:
    members = [("id", "c"), ("choices", choice.choice([[], [{"index": 0, "delta": {"content": 'h"é😀,usage'}}]]))]
    if choice.random() < 0.7:
        members.append(("usage", choice.choice([None, {}, {"prompt_tokens": 5, "completion_tokens": 6}])))
    if choice.random() < 0.5:
        members.append(("x", choice.choice([1, [], {"usage": {"prompt_tokens": 1}}, "usage"])))
    choice.shuffle(members)
    return dict(members)


def _stream(choice: random.Random) -> bytes:
    end = choice.choice(NEWLINES)
    separators = choice.choice([(",", ":"), (", ", ": "), (" , ", " : ")])
    lines = []
    for _ in range(choice.randint(1, 6)):
        if choice.random() < 0.3:
            lines += [choice.choice([": ping", "id: 1", "retry: 5", "event: chunk"])]
        text = json.dumps(_chunk(choice), separators=separators, ensure_ascii=choice.random() < 0.5)
        lines += [choice.choice(["data: ", "data:"]) + text, ""]
    lines += ["data: [DONE]", "", ""]
    return end.join(lines).encode()


def test_what_is_left_is_the_stream_without_usage():
    choice = random.Random(seed())
    streams = [_stream(choice) for _ in range(3_000)]
    dropped = 0
    for stream, line in zip(streams, verdicts([("s", stream) for stream in streams]), strict=True):
        end, _, _, left = line.split(" ")
        assert end == "complete", f"{stream!r}: {line}"
        before = _events(stream)
        assert _events(bytes.fromhex(left)) == _without_usage(before), f"{stream!r}"
        dropped += len(before) - len(_without_usage(before))
    assert dropped > 100, "too few events were there for their usage alone"
