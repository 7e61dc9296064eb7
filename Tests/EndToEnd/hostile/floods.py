"""Attackers that repeat one cheap piece. Each sends as many as its limit allows, sees that the edge still answers, then
sends more and must be cut."""

import dataclasses
from collections.abc import Callable

from . import frames
from .connection import Connection, Target, Unanswered
from .siege import Outcome

Piece = Callable[[Target, int], bytes]
"""The bytes of the nth piece, from 0."""


@dataclasses.dataclass(frozen=True)
class Flood:
    name: str
    piece: Piece
    limit: int
    """Pieces that the edge must take."""
    excess: int
    """Pieces more after which the connection must be at its end."""
    reasons: tuple[str, ...]
    before: Callable[[Connection, Target], None] = lambda connection, target: None
    batch: int = 100
    waits: bool = False
    """Waits for the edge after each batch, so that its resets are out before the next streams are opened."""

    def __call__(self, target: Target, source: str) -> Outcome:
        with Connection(target, source) as connection:
            try:
                return self._attack(connection, target)
            except Unanswered as error:
                return Outcome(cut=False, words=str(error))

    def _attack(self, connection: Connection, target: Target) -> Outcome:
        self.before(connection, target)
        self._send(connection, target, 0, self.limit)
        tolerated = connection.answers()
        sent = self._send(connection, target, self.limit, self.limit + self.excess)
        if connection.answers():
            return Outcome(cut=False, tolerated=tolerated, sent=sent, words="everything was taken")
        connection.until_closed()
        code = connection.goaways[-1].code if connection.goaways else None
        return Outcome(connection.closed, tolerated, code, sent)

    def _send(self, connection: Connection, target: Target, first: int, end: int) -> int:
        for start in range(first, end, self.batch):
            pieces = range(start, min(end, start + self.batch))
            if not connection.send(b"".join(self.piece(target, index) for index in pieces)):
                return start
            if self.waits and not connection.answers():
                return pieces.stop
        return end


def stream_of(index: int) -> int:
    return 1 + 2 * index


def _own_stream(make: Callable[[Target, int], bytes]) -> Piece:
    """A piece that opens a stream of its own."""
    return lambda target, index: make(target, stream_of(index))


def _opened(target: Target, stream: int, *fields) -> bytes:
    return frames.headers(stream, target.chat(*fields), ends=False)


def _whole(target: Target, stream: int) -> bytes:
    return _opened(target, stream) + frames.data(stream, target.body())


# MARK: resets

RAPID_RESETS = [
    Flood(name, _own_stream(piece), 200, 200, ("rapid_reset",))
    for name, piece in {
        "a request begun and reset": lambda target, stream: _opened(target, stream) + frames.reset(stream),
        "a request for the list of models and reset": lambda target, stream: (
            frames.headers(stream, target.models()) + frames.reset(stream)
        ),
        "a whole request and reset": lambda target, stream: _whole(target, stream) + frames.reset(stream),
        "a request without a key and reset": lambda target, stream: (
            frames.headers(stream, frames.block(*target.pseudo())) + frames.reset(stream)
        ),
    }.items()
]

# What makes the edge reset the stream (MadeYouReset, CVE-2025-8671), or end the connection at once.
PROVOKED_RESETS = [
    Flood(
        name,
        _own_stream(piece),
        0 if ends_all else 190,
        200 if ends_all else 210,
        ("glitches", "protocol_error"),
        batch=40,
        waits=not ends_all,
    )
    for name, ends_all, piece in [
        ("WINDOW_UPDATE of 0", True, lambda t, s: _opened(t, s) + frames.window_update(s, 0)),
        ("WINDOW_UPDATE beyond 2^31", False, lambda t, s: _opened(t, s) + frames.window_update(s, 2**31 - 1)),
        ("DATA after the end", True, lambda t, s: _whole(t, s) + frames.data(s, b"more")),
        ("HEADERS after the end", True, lambda t, s: _whole(t, s) + _opened(t, s)),
        ("PRIORITY on itself", True, lambda t, s: _opened(t, s) + frames.priority(s, s)),
        (
            "PRIORITY of a wrong length",
            True,
            lambda t, s: _opened(t, s) + frames.frame(frames.PRIORITY, 0, s, b"1234"),
        ),
        (
            "less than the content-length",
            False,
            lambda t, s: _opened(t, s, (b"content-length", b"500")) + frames.data(s, b"less"),
        ),
        (
            "more than the content-length",
            False,
            lambda t, s: _opened(t, s, (b"content-length", b"1")) + frames.data(s, b"more"),
        ),
        ("upper case in a name", False, lambda t, s: _opened(t, s, (b"X-Upper", b"a"))),
        ("a line end in a value", False, lambda t, s: _opened(t, s, (b"x-line", b"a\r\nb: c"))),
        ("a connection field", False, lambda t, s: _opened(t, s, (b"connection", b"close"))),
        ("no :path", False, lambda t, s: frames.headers(s, frames.block(*t.pseudo()[:2], t.credential))),
        ("a late pseudo field", False, lambda t, s: _opened(t, s, (b":path", b"/"))),
        (
            "pseudo fields in trailers",
            False,
            lambda t, s: _opened(t, s) + frames.headers(s, frames.block((b":path", b"/"))),
        ),
        ("trailers that end nothing", False, lambda t, s: _opened(t, s) + frames.headers(s, b"", ends=False)),
    ]
]


# MARK: frames that carry nothing


def _request_open(connection: Connection, target: Target) -> None:
    """A stream that stays open for the attack."""
    connection.send(_opened(target, 1))


# The barrier of the attack is itself a PING; the connection's first SETTINGS and its answer to the edge's count.
EMPTY_FRAMES = [
    Flood("PING", lambda t, i: frames.ping(), 59, 60, ("ping_flood",)),
    Flood("answers to PINGs never sent", lambda t, i: frames.ping(flags=frames.ACK), 0, 120_000, ("ping_flood", "overhead", "glitches")),
    Flood("SETTINGS", lambda t, i: frames.settings(), 8, 10, ("settings_flood",)),
    Flood(
        "SETTINGS that change the window",
        lambda t, i: frames.settings((frames.INITIAL_WINDOW_SIZE, 65535 + i % 2)),
        8,
        10,
        ("settings_flood",),
        before=_request_open,
    ),
    Flood("PRIORITY of streams that are none", lambda t, i: frames.priority(stream_of(i)), 100, 200, ("priority_flood",)),
    Flood(
        "PRIORITY of one stream", lambda t, i: frames.priority(1, 0, i % 256), 200, 100, ("priority_flood",), before=_request_open
    ),
    Flood(
        "WINDOW_UPDATE of the connection",
        lambda t, i: frames.window_update(0, 1),
        3,
        100,
        ("window_update_flood",),
        before=_request_open,
    ),
    Flood(
        "WINDOW_UPDATE of a stream",
        lambda t, i: frames.window_update(1, 1),
        3,
        100,
        ("window_update_flood",),
        before=_request_open,
    ),
    Flood(
        "empty DATA", lambda t, i: frames.data(1, ends=False), 1, 10, ("empty_data_flood",), before=_request_open
    ),
    Flood(
        "DATA of padding alone",
        lambda t, i: frames.frame(frames.DATA, frames.PADDED, 1, b"\xff" + bytes(255)),
        0,
        8000,
        ("empty_data_flood", "overhead"),
        before=_request_open,
    ),
    Flood("unknown frames", lambda t, i: frames.frame(frames.UNKNOWN, 0xFF, i, bytes(91)), 10_000, 3_000, ("overhead",)),
    Flood("unknown frames without anything", lambda t, i: frames.frame(frames.UNKNOWN), 100_000, 40_000, ("overhead",), batch=1000),
]
