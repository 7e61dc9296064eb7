"""Connections that break the protocol's grammar once. Each must be ended, or at least the stream."""

import dataclasses
import struct

from . import frames
from .blocks import outcome_of
from .connection import Connection, Target, Unanswered
from .frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from .siege import Outcome

GREETING = PREFACE + frames.settings()


@dataclasses.dataclass(frozen=True)
class Malformed:
    name: str
    make: object
    """`make(target)` gives the bytes, after `opening`."""
    opening: bytes = GREETING
    only_stream: bool = False
    """A reset of stream 1, or its refusal, is enough."""
    may_be_ignored: bool = False
    """It is enough that nothing is served on stream 1."""

    def __call__(self, target: Target, source: str) -> Outcome:
        with Connection(target, source, opening=self.opening) as connection:
            connection.send(self.make(target))
            try:
                if self.may_be_ignored:
                    connection.answers()
                    return outcome_of(connection, cut=connection.cut or 1 not in connection.statuses)
                if self.only_stream:
                    connection.until(lambda: connection.done(1) or connection.cut)
                    refused = 1 in connection.resets or connection.statuses.get(1, 0) >= 400
                    return outcome_of(connection, cut=connection.cut or refused)
                connection.until_closed()
            except Unanswered as error:
                return outcome_of(connection, cut=False, words=str(error))
            return outcome_of(connection, cut=True)


def _opened(target: Target) -> bytes:
    return frames.headers(1, target.chat(), ends=False)


def _in_block(block: bytes):
    return lambda target: frames.headers(1, target.chat() + block)


def _setting(name: int, value: int) -> bytes:
    return frames.settings((name, value))


_PLAIN = {
    # Lengths that a kind of frame cannot have.
    "SETTINGS of 5 bytes": frame(SETTINGS, payload=bytes(5)),
    "SETTINGS acknowledged with a payload": frame(SETTINGS, frames.ACK, payload=bytes(6)),
    "SETTINGS on a stream": frame(SETTINGS, 0, 1),
    "PING of 7 bytes": frame(PING, payload=bytes(7)),
    "PING of 9 bytes": frame(PING, payload=bytes(9)),
    "PING on a stream": frame(PING, 0, 1, bytes(8)),
    "WINDOW_UPDATE of 3 bytes": frame(WINDOW_UPDATE, payload=bytes(3)),
    "WINDOW_UPDATE of 0": frames.window_update(0, 0),
    "WINDOW_UPDATE beyond 2^31": frames.window_update(0, 2**31 - 1),
    "RST_STREAM of 3 bytes": frame(RST_STREAM, 0, 1, bytes(3)),
    "GOAWAY of 7 bytes": frame(GOAWAY, payload=bytes(7)),
    "GOAWAY on a stream": frame(GOAWAY, 0, 1, bytes(8)),
    "a frame of 16 MB": frame(DATA, 0, 1, length=2**24 - 1) + bytes(100_000),
    "a frame one over the limit": frame(frames.UNKNOWN, 0, 0, bytes(16_385)),
    "SETTINGS of 17,000 bytes": frame(SETTINGS, payload=bytes(17_004)),
    # Settings that no one may have.
    "a window of 2^31": _setting(frames.INITIAL_WINDOW_SIZE, 2**31),
    "frames of at most a byte": _setting(frames.MAX_FRAME_SIZE, 1),
    "frames of at most 2^24": _setting(frames.MAX_FRAME_SIZE, 2**24),
    "push set to 2": _setting(frames.ENABLE_PUSH, 2),
    "33 settings": frames.settings(*[(0x99, 1)] * 33),
    # Streams that cannot be.
    "HEADERS on stream 0": frame(HEADERS, END_HEADERS, 0, b"\x82"),
    "HEADERS on an even stream": frame(HEADERS, END_HEADERS, 2, b"\x82"),
    "DATA on stream 0": frame(DATA, 0, 0, b"x"),
    "DATA on an idle stream": frame(DATA, 0, 5, b"x"),
    "RST_STREAM on stream 0": frame(RST_STREAM, 0, 0, bytes(4)),
    "RST_STREAM on an idle stream": frames.reset(7),
    "WINDOW_UPDATE on an idle stream": frames.window_update(9, 1),
    "PRIORITY on stream 0": frames.priority(0),
    "PRIORITY of 4 bytes": frame(PRIORITY, 0, 1, bytes(4)),
    "CONTINUATION out of nothing": frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
    "CONTINUATION on stream 0": frame(CONTINUATION, END_HEADERS, 0, b"\x82"),
    "PUSH_PROMISE from a client": frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4) + b"\x82"),
    # Padding that is longer than the frame.
    "HEADERS of padding": frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff"),
    "HEADERS padded with nothing": frame(HEADERS, END_HEADERS | PADDED, 1, b""),
    "HEADERS with half a priority": frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, b"\x00\x00"),
    # A block that another frame interrupts.
    "PING inside a block": frame(HEADERS, 0, 1, b"\x82") + frames.ping(),
    "DATA inside a block": frame(HEADERS, 0, 1, b"\x82") + frame(DATA, 0, 1, b"x"),
    "an unknown frame inside a block": frame(HEADERS, 0, 1, b"\x82") + frame(frames.UNKNOWN, 0, 1),
    "CONTINUATION of another stream": frame(HEADERS, 0, 1, b"\x82") + frame(CONTINUATION, END_HEADERS, 3, b"\x82"),
}

_AFTER_A_REQUEST = {
    "DATA of padding": lambda target: _opened(target) + frame(DATA, PADDED, 1, b"\x05abc"),
    "DATA padded with nothing": lambda target: _opened(target) + frame(DATA, PADDED, 1, b""),
    "the same stream again": lambda target: frames.headers(5, target.models()) * 2,
    "more streams than are allowed": lambda target: b"".join(
        frames.headers(1 + 2 * index, target.chat(), ends=False) for index in range(5_000)
    ),
}

# Faults in the compressed form end the connection, because the table is out of step then (RFC 7541).
_BLOCKS = {
    "index 0": frames.indexed(0),
    "an index beyond the table": frames.indexed(62),
    "an index of 2^31": frames.indexed(2**31),
    "an integer without end": b"\xff" + b"\xff" * 20,
    "a name that is cut": b"\x00\x7f\x00short",
    "a length of 2^60": b"\x00\x7f" + b"\xff" * 8 + b"\x0f",
    "a table larger than is allowed": frames.table_size(2**31),
    "a table's size in the middle": frames.literal(b"x", b"y") + frames.table_size(100),
    "Huffman code without end": b"\x00\x01x" + b"\x84" + b"\xff" * 4,
    "Huffman padding of zeros": b"\x00\x01x\x81\x00",
    "a name index beyond the table": frames.integer(200, 4) + b"\x01y",
}

_BEGINNINGS = {
    "another version's preface": b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n" + frames.settings(),
    "an HTTP/1.1 request": b"GET /v1/models HTTP/1.1\r\nHost: edge\r\n\r\n",
    "no preface": frames.settings(),
    "no SETTINGS after the preface": PREFACE + frames.ping(),
    "SETTINGS acknowledged first": PREFACE + frame(SETTINGS, frames.ACK),
    "zeros": bytes(100),
    "a preface twice": PREFACE + PREFACE,
}

_STREAMS = {
    "a name of 20 KB": lambda target: frames.headers(1, target.chat((b"x", b"")) + frames.literal(b"n" * 15_000, b"")),
    "a huge name in frames": lambda target: (
        frames.headers(1, target.models() + b"\x00" + frames.integer(40_000, 7) + b"n" * 14_000, flags=0)
        + frame(CONTINUATION, 0, 1, b"n" * 16_000)
        + frame(CONTINUATION, END_HEADERS, 1, b"n" * 10_000 + frames.text(b"v"))
    ),
    "a huge value": lambda target: (
        frames.headers(1, target.models() + b"\x00\x01x" + frames.integer(60_000, 7) + b"v" * 14_000, flags=0)
        + frame(CONTINUATION, 0, 1, b"v" * 16_000) * 2
        + frame(CONTINUATION, END_HEADERS, 1, b"v" * 14_000)
    ),
    "a body of zeros": lambda target: _opened(target) + frame(DATA, 0, 1, bytes(16_000)) * 80,
    "101 fields": lambda target: frames.headers(1, target.models(*[(b"x", b"y")] * 100)),
    "a dependency on itself": lambda target: frame(
        HEADERS, END_HEADERS | END_STREAM | HAS_PRIORITY, 1, struct.pack(">IB", 1, 5) + target.models()
    ),
}

# RFC 9113 would end the connection; nghttp2 takes such a stream for one that is closed and forgotten.
_IGNORED = {
    "a lower stream": lambda target: frames.headers(5, target.models()) + frames.headers(1, target.models()),
    "a stream behind the last number": lambda target: (
        frames.headers(2**31 - 1, target.models()) + frames.headers(1, target.models())
    ),
    "RST_STREAM twice": lambda target: _opened(target) + frames.reset(1) * 2,
    "WINDOW_UPDATE of a stream that was reset": lambda target: (
        _opened(target) + frames.reset(1) + frames.window_update(1, 1)
    ),
}



@dataclasses.dataclass(frozen=True)
class AfterGoaway:
    """Goes on sending whole requests after the end was announced, by itself or, for a fault, by the edge. The connection
    must end; what comes after the edge's own word must not be served."""

    name: str
    first: bytes
    content: str
    """Stands in the requests, for the test to look for upstream."""
    requests: int = 500

    def __call__(self, target: Target, source: str) -> Outcome:
        with Connection(target, source) as connection:
            connection.send(self.first)
            if self.first[3] != GOAWAY:
                connection.until(lambda: bool(connection.goaways))
            sent = 0
            try:
                for index in range(self.requests):
                    stream = 1 + 2 * index
                    request = frames.headers(stream, target.chat(), ends=False)
                    if not connection.send(request + frames.data(stream, target.body(self.content))):
                        break
                    sent += 1
                connection.until_closed()
            except Unanswered as error:
                return outcome_of(connection, cut=False, sent=sent, words=str(error))
            return outcome_of(connection, cut=True, sent=sent)


AFTER_OWN_GOAWAY = AfterGoaway("our own", frames.goaway(), "after our goaway")
AFTER_EDGES_GOAWAY = AfterGoaway("the edge's", frame(PING, payload=bytes(7)), "after the edge's goaway")

MALFORMED = [
    *(Malformed(name, lambda target, data=data: data) for name, data in _PLAIN.items()),
    *(Malformed(name, make) for name, make in _AFTER_A_REQUEST.items()),
    *(Malformed(name, _in_block(block)) for name, block in _BLOCKS.items()),
    *(Malformed(name, lambda target: b"", opening) for name, opening in _BEGINNINGS.items()),
    *(Malformed(name, make, only_stream=True) for name, make in _STREAMS.items()),
    *(Malformed(name, make, may_be_ignored=True) for name, make in _IGNORED.items()),
]
