"""Attackers that make the edge hold much for little, and then wait. Each keeps to every limit of a single stream."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable

from . import frames
from .blocks import outcome_of
from .connection import PATIENCE_SECONDS, Connection, Target, Unanswered
from .floods import stream_of
from .siege import Outcome

STREAMS = 100
"""LIMITS: concurrent streams of a connection."""
ANSWERED_STREAMS = 50
"""Streams of a connection that an upstream answers. A hundred of a hundred clients are ten thousand answers under way, which
take 65 MB of an edge when nothing at all waits in them: that is work it has taken on, and no hoard."""
Keep = Callable[[], None]
"""Called when an attacker has what it can get; it lets go of that when the call returns."""


def at_once() -> None:
    pass


def together(hoard, attackers: int, at_the_height: Callable[[], None] = at_once):
    """An attack in which each keeps what it has until all have what they can get, and `at_the_height` has returned."""
    gathering = threading.Barrier(attackers, at_the_height)

    def keep() -> None:
        # One that does not come this far has failed, and says so by itself.
        with contextlib.suppress(threading.BrokenBarrierError):
            gathering.wait(2 * PATIENCE_SECONDS)

    return lambda target, source: hoard(target, source, keep)


@dataclasses.dataclass(frozen=True)
class HeaderHoard:
    """Every stream has a head just below 32 KiB, in some 200 bytes on the wire, and stays open: its request does not end,
    or its answer finds no window."""

    name: str
    finished: bool
    field: tuple[bytes, bytes]
    references: int

    def __call__(self, target: Target, source: str, keep: Keep = at_once) -> Outcome:
        opening = frames.PREFACE + frames.settings((frames.INITIAL_WINDOW_SIZE, 0))
        with Connection(target, source, opening=opening) as connection:
            block = target.models() if self.finished else target.chat()
            connection.send(
                frames.headers(1, block + frames.literal(*self.field, remembered=True), ends=self.finished)
            )
            block += frames.indexed(62) * self.references
            for index in range(1, STREAMS):
                connection.send(frames.headers(stream_of(index), block, ends=self.finished))
            try:
                held = connection.answers()
            except Unanswered as error:
                return outcome_of(connection, cut=False, words=str(error))
            keep()
            return outcome_of(connection, cut=not held, sent=STREAMS)


HEADER_HOARDS = [
    HeaderHoard("requests that do not end", False, (b"x", b"y" * 3900), 7),
    HeaderHoard("answers without a window", True, (b"x", b"y" * 3900), 7),
    HeaderHoard("cookie crumbs", False, (b"cookie", b"a" * 300), 85),
]


@dataclasses.dataclass(frozen=True)
class BodyHoard:
    """Sends a part of each body and keeps the rest."""

    name: str
    bytes_sent: int
    streams: int = 1
    promised: int | None = None
    """The length that each head says, if any."""

    def __call__(self, target: Target, source: str, keep: Keep = at_once) -> Outcome:
        length = [(b"content-length", b"%d" % self.promised)] if self.promised else []
        with Connection(target, source) as connection:
            body = target.body("hoard" + "x" * self.bytes_sent)[: self.bytes_sent]
            sent = 0
            try:
                for stream in map(stream_of, range(self.streams)):
                    connection.send(frames.headers(stream, target.chat(*length), ends=False))
                    sent += _send_as_allowed(connection, stream, body)
                held = connection.answers()
            except Unanswered as error:
                return outcome_of(connection, cut=False, words=str(error))
            keep()
            return outcome_of(connection, cut=not held or connection.done(1), sent=sent)


def _send_as_allowed(connection: Connection, stream: int, body: bytes) -> int:
    """Keeps to the edge's windows, so that nothing but the hoard itself is to blame."""
    sent = 0
    while sent < len(body) and not connection.done(stream) and not connection.cut:
        connection.until(lambda: connection.window(stream) > 0 or connection.done(stream) or connection.cut)
        part = body[sent : sent + min(16_000, connection.window(stream))]
        if not part or not connection.send(frames.data(stream, part, ends=False)):
            break
        connection.spend(stream, len(part))
        sent += len(part)
    return sent


BODY_HOARDS = [
    # Below the limit of one request.
    BodyHoard("four megabytes of a body", 4 << 20),
    BodyHoard("small beginnings of bodies that are to be large", 3_500, STREAMS, 64 << 10),
]


@dataclasses.dataclass(frozen=True)
class AnswerHoard:
    """Every stream is asked an answer that finds no window, or no reader."""

    name: str
    answer_bytes: int
    """What the upstream has for each stream."""
    reads: bool = True
    """Takes what the edge says, but opens no window. Otherwise all windows are open and nothing is taken."""

    def __call__(self, target: Target, source: str, keep: Keep = at_once) -> Outcome:
        target = dataclasses.replace(target, model="scripted-http2")
        opening = frames.PREFACE + frames.settings((frames.INITIAL_WINDOW_SIZE, 0 if self.reads else 2**31 - 1))
        if not self.reads:
            opening += frames.window_update(0, 2**30)
        body = target.body("hoard", stream=True)
        with Connection(target, source, opening=opening, receive_bytes=None if self.reads else 4096) as connection:
            for stream in map(stream_of, range(ANSWERED_STREAMS)):
                connection.send(frames.headers(stream, target.chat(), ends=False) + frames.data(stream, body))
            try:
                held = not self.reads or connection.answers()
            except Unanswered as error:
                return outcome_of(connection, cut=False, words=str(error))
            keep()
            return outcome_of(connection, cut=not held, sent=ANSWERED_STREAMS)


ANSWER_HOARDS = [
    AnswerHoard("answers of 128 KiB without a window", 128 << 10),
    AnswerHoard("answers of 128 KiB that nobody reads", 128 << 10, reads=False),
    AnswerHoard("answers of 16 KiB without a window", 16 << 10),
    AnswerHoard("answers of a few bytes without a window", 1),
]
