"""Well-behaved clients: many event streams over a few connections, each of which must end whole."""

import asyncio
import json
import threading

from scripted import Exchange

from . import frames
from .connection import Connection, Target

STREAMS_PER_CONNECTION = 50
WINDOW = 1 << 20
PAUSE_SECONDS = 0.25
"""Between the chunks of one stream."""


class Release:
    """Tells the upstream's scripts, which run in its loop, that the streams may end."""

    def __init__(self):
        self._released = threading.Event()

    def set(self) -> None:
        self._released.set()

    def is_set(self) -> bool:
        return self._released.is_set()


def numbered_chunks(release: Release):
    """A script: numbered events until the release, then the end mark."""

    async def script(exchange: Exchange):
        await exchange.head(200, {"content-type": "text/event-stream"})
        number = 0
        while not release.is_set():
            chunk = {"choices": [{"index": 0, "delta": {"content": str(number)}}]}
            await exchange.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            number += 1
            await asyncio.sleep(PAUSE_SECONDS)
        await exchange.write(b"data: {\"choices\":[],\"sent\":%d}\n\ndata: [DONE]\n\n" % number)
        await exchange.end()

    return script


class Victims:
    """`count` streams. Within `with` they run; leaving it ends nothing: call `finish`."""

    def __init__(self, target: Target, count: int, release: Release):
        self._release = release
        sizes = [min(STREAMS_PER_CONNECTION, count - start) for start in range(0, count, STREAMS_PER_CONNECTION)]
        self._groups = [_Group(target, size) for size in sizes]
        self.count = count

    def start(self) -> None:
        for group in self._groups:
            group.thread.start()

    @property
    def running(self) -> int:
        """Streams that have had a chunk."""
        return sum(len(group.progressing) for group in self._groups)

    @property
    def fewest_chunks(self) -> int:
        """Chunks of the stream that has had the fewest."""
        return min(min(group.chunks.values(), default=0) for group in self._groups)

    @property
    def alive(self) -> bool:
        return all(group.thread.is_alive() for group in self._groups)

    def finish(self) -> list[str]:
        """Lets the streams end. Returns what was wrong with them."""
        self._release.set()
        for group in self._groups:
            group.thread.join(90)
        return [fault for group in self._groups for fault in group.faults()]


class _Group(Connection):
    """One connection's streams. It reads in a thread of its own and opens its window as it reads."""

    def __init__(self, target: Target, size: int):
        self.streams = [1 + 2 * index for index in range(size)]
        self.chunks: dict[int, int] = {stream: 0 for stream in self.streams}
        self.progressing: set[int] = set()
        self._unopened = 0
        self._failure = ""
        self.thread = threading.Thread(target=self._run, args=(target,), daemon=True)

    def _run(self, target: Target) -> None:
        opening = frames.PREFACE + frames.settings((frames.INITIAL_WINDOW_SIZE, WINDOW))
        try:
            super().__init__(target, opening=opening + frames.window_update(0, WINDOW))
            body = target.body("victim", stream=True)
            length = (b"content-length", b"%d" % len(body))
            for stream in self.streams:
                self.send(frames.headers(stream, target.chat(length), ends=False) + frames.data(stream, body))
            self.until(lambda: all(self.done(stream) for stream in self.streams))
            self.close()
        except Exception as error:  # noqa: BLE001
            self._failure = repr(error)

    def note(self, frame: frames.Frame) -> None:
        super().note(frame)
        if frame.kind != frames.DATA:
            return
        self.chunks[frame.stream] = self.bodies[frame.stream].count(b"data: ")
        self.progressing.add(frame.stream)
        self._unopened += len(frame.payload)
        if self._unopened > WINDOW // 2:
            self.send(frames.window_update(0, self._unopened))
            self._unopened = 0

    def faults(self) -> list[str]:
        if self._failure:
            return [f"a victim's connection failed: {self._failure}"]
        if self.thread.is_alive():
            return ["a victim's streams did not end"]
        return [f"stream {stream}: {fault}" for stream in self.streams if (fault := self._fault(stream))]

    def _fault(self, stream: int) -> str | None:
        if stream in self.resets:
            return f"was reset with {self.resets[stream]}"
        if self.statuses.get(stream) != 200 or stream not in self.ended:
            return f"status {self.statuses.get(stream)}, ended {stream in self.ended}, goaways {self.goaways}"
        *chunks, last, mark = [
            line.removeprefix("data: ") for line in self.bodies[stream].decode().splitlines() if line
        ]
        numbers = [int(json.loads(chunk)["choices"][0]["delta"]["content"]) for chunk in chunks]
        if mark != "[DONE]" or numbers != list(range(json.loads(last)["sent"])):
            return f"is not whole: {len(numbers)} chunks, then {last} and {mark}"
        return None
