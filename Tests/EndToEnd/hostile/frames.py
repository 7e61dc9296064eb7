"""HTTP/2 frames as bytes (RFC 9113, sections 4 and 6), right or deliberately wrong."""

import dataclasses
import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
UNKNOWN = 0xFA
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, HAS_PRIORITY = 0x4, 0x8, 0x20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 8, 9, 11


@dataclasses.dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """`length` says another length than the payload has."""
    size = len(payload) if length is None else length
    return struct.pack(">IBI", size << 8 | kind, flags, stream) + payload


def settings(*entries: tuple[int, int]) -> bytes:
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", *entry) for entry in entries))


def ping(payload: bytes = b"12345678", flags: int = 0) -> bytes:
    return frame(PING, flags, payload=payload)


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def priority(stream: int, depends_on: int = 0, weight: int = 15) -> bytes:
    return frame(PRIORITY, 0, stream, struct.pack(">IB", depends_on, weight))


def goaway(last_stream: int = 0, code: int = NO_ERROR, words: bytes = b"") -> bytes:
    return frame(GOAWAY, payload=struct.pack(">II", last_stream, code) + words)


def headers(stream: int, block: bytes, *, ends: bool = True, flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags | (END_STREAM if ends else 0), stream, block)


def data(stream: int, payload: bytes = b"", *, ends: bool = True) -> bytes:
    return frame(DATA, END_STREAM if ends else 0, stream, payload)


class FrameReader:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self):
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        self._buffer += data
        frames, start = [], 0
        while len(self._buffer) - start >= 9:
            first, flags, stream = struct.unpack_from(">IBI", self._buffer, start)
            end = start + 9 + (first >> 8)
            if len(self._buffer) < end:
                break
            frames.append(Frame(first & 0xFF, flags, stream & 0x7FFFFFFF, bytes(self._buffer[start + 9 : end])))
            start = end
        del self._buffer[:start]
        return frames


# MARK: header blocks (RFC 7541), every field literal and plain unless said otherwise


def integer(value: int, bits: int, first: int = 0) -> bytes:
    """An integer with a prefix of so many bits; `first` has the bits before it."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def text(value: bytes) -> bytes:
    return integer(len(value), 7) + value


def literal(name: bytes, value: bytes, *, remembered: bool = False) -> bytes:
    """`remembered` puts the field into the receiver's table."""
    return bytes([0x40 if remembered else 0]) + text(name) + text(value)


def indexed(index: int) -> bytes:
    return integer(index, 7, 0x80)


def table_size(size: int) -> bytes:
    return integer(size, 5, 0x20)


def block(*fields: tuple[bytes, bytes]) -> bytes:
    return b"".join(literal(name, value) for name, value in fields)
