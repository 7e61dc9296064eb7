"""Attackers that misuse header blocks: without end, drop by drop, or tiny on the wire and vast when unpacked."""

import dataclasses
import time

from . import frames
from .connection import Connection, Target, Unanswered
from .siege import Outcome

# LIMITS: CONTINUATION frames of one block.
CONTINUATIONS = 8
DRIP_SECONDS = 0.25


def outcome_of(connection: Connection, *, cut: bool, tolerated: bool = True, sent: int = 0, words="") -> Outcome:
    code = connection.goaways[-1].code if connection.goaways else None
    return Outcome(cut, tolerated, code, sent, words)


@dataclasses.dataclass(frozen=True)
class ContinuationFlood:
    """A block in as many frames as the limit allows is answered; one that does not end is cut."""

    name: str
    piece: bytes
    frames_sent: int = 1000

    def __call__(self, target: Target, source: str) -> Outcome:
        with Connection(target, source) as connection:
            connection.send(self._allowed(target))
            tolerated = connection.until(lambda: connection.done(1) or connection.cut) and 1 in connection.statuses
            connection.send(frames.headers(3, target.models(), flags=0))
            sent = 0
            try:
                while sent < self.frames_sent and connection.send(self._continuation(3) * 10):
                    sent += 10
                connection.until_closed()
            except Unanswered as error:
                return outcome_of(connection, cut=False, tolerated=tolerated, sent=sent, words=str(error))
            return outcome_of(connection, cut=True, tolerated=tolerated, sent=sent)

    def _allowed(self, target: Target) -> bytes:
        return (
            frames.headers(1, target.models(), flags=0)
            + self._continuation(1) * (CONTINUATIONS - 1)
            + frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1)
        )

    def _continuation(self, stream: int) -> bytes:
        return frames.frame(frames.CONTINUATION, 0, stream, self.piece)


CONTINUATION_FLOODS = [
    ContinuationFlood("CONTINUATION without anything", b""),
    ContinuationFlood("CONTINUATION with a field each", frames.literal(b"x", b"y")),
    ContinuationFlood("CONTINUATION with much each", frames.literal(b"x", b"y" * 3000)),
]


@dataclasses.dataclass(frozen=True)
class Drip:
    """Sends `first` and then a byte at a time until the edge ends the connection."""

    name: str
    first: bytes
    rest: bytes
    opening: bytes = frames.PREFACE + frames.settings()
    bytes_sent: int = 200

    def __call__(self, target: Target, source: str) -> Outcome:
        with Connection(target, source, opening=self.opening) as connection:
            connection.send(self.first)
            connection.socket.settimeout(DRIP_SECONDS)
            for sent in range(self.bytes_sent):
                if not connection.send(self.rest[sent % len(self.rest) :][:1]):
                    return outcome_of(connection, cut=True, sent=sent)
                if self._has_ended(connection):
                    return outcome_of(connection, cut=True, sent=sent)
            return outcome_of(connection, cut=False, sent=self.bytes_sent)

    @staticmethod
    def _has_ended(connection: Connection) -> bool:
        """Reads for as long as the drip's pause."""
        try:
            started = time.monotonic()
            while time.monotonic() - started < DRIP_SECONDS:
                if not connection.read():
                    return True
        except Unanswered:
            pass
        return False


HEADER_DRIPS = [
    Drip("the payload of a HEADERS frame", frames.frame(frames.HEADERS, frames.END_HEADERS, 1, length=200), b"\x82"),
    Drip("a HEADERS frame and then its CONTINUATION", frames.headers(1, b"\x82", flags=0) + frames.frame(frames.CONTINUATION, 0, 1, length=200), b"\x82"),
]
# Over connections that negotiated HTTP/1.1.
HEAD_DRIPS = [
    Drip("a request line", b"GET /", b"a", opening=b""),
    Drip("a field", b"GET / HTTP/1.1\r\nHost: edge\r\nX: ", b"a", opening=b""),
    Drip("fields", b"GET / HTTP/1.1\r\nHost: edge\r\n", b"X:a\r\n", opening=b""),
]


@dataclasses.dataclass(frozen=True)
class HeaderBomb:
    """Puts a field into the edge's table and refers to it again and again, with windows that let no answer's body out.
    Each such request must be refused, or the connection cut."""

    name: str
    field: tuple[bytes, bytes]
    references: int = 16_000
    """In one frame."""
    frames_each: int = 1 + CONTINUATIONS
    requests: int = 6

    def __call__(self, target: Target, source: str) -> Outcome:
        opening = frames.PREFACE + frames.settings((frames.INITIAL_WINDOW_SIZE, 0))
        with Connection(target, source, opening=opening) as connection:
            table = target.models() + frames.literal(*self.field, remembered=True)
            connection.send(frames.headers(1, table))
            try:
                for request in range(self.requests):
                    stream = 3 + 2 * request
                    connection.send(self._bomb(target, stream))
                    if not connection.until(lambda stream=stream: self._refused(connection, stream) or connection.cut):
                        break
            except Unanswered as error:
                return outcome_of(connection, cut=False, words=str(error))
            refused = connection.cut or all(
                self._refused(connection, 3 + 2 * request) for request in range(self.requests)
            )
            return outcome_of(connection, cut=refused, sent=len(connection.statuses))

    def _bomb(self, target: Target, stream: int) -> bytes:
        # The newest entry of the table has the first index after the 61 fixed ones.
        references = frames.indexed(62) * self.references
        bytes_sent = frames.headers(stream, target.models() + references[:15_000], flags=0)
        for number in range(1, self.frames_each):
            last = number == self.frames_each - 1
            bytes_sent += frames.frame(frames.CONTINUATION, frames.END_HEADERS if last else 0, stream, references)
        return bytes_sent

    @staticmethod
    def _refused(connection: Connection, stream: int) -> bool:
        return connection.statuses.get(stream) == 431 or stream in connection.resets


HEADER_BOMBS = [
    HeaderBomb("references to 4 KB", (b"x", b"y" * 4000)),
    HeaderBomb("references to nothing", (b"x", b"")),
    HeaderBomb("cookie crumbs", (b"cookie", b"a=b")),
    HeaderBomb("big cookie crumbs", (b"cookie", b"a" * 4000)),
]
