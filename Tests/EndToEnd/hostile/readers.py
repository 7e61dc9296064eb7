"""Attackers that ask and do not take the answers: never, or a byte at a time."""

import dataclasses
import socket
import time

from . import frames
from .blocks import outcome_of
from .connection import PATIENCE_SECONDS, Connection, Target, Unanswered
from .floods import stream_of
from .siege import Outcome

RECEIVE_BYTES = 4096
ESTABLISHED = 1
POLL_SECONDS = 0.05
# Twice what the besieged edge waits for a reader.
CUT_SECONDS = 6


def peer_has_closed(connection: Connection) -> bool:
    """Asks the kernel, without reading."""
    state = connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != ESTABLISHED


@dataclasses.dataclass(frozen=True)
class NeverReads:
    """Sends pieces whose answers pile up at the edge, reads nothing, and waits to be cut."""

    name: str
    make: object
    """`make(target, index)` gives the bytes of a piece."""
    pieces: int
    settings: tuple[tuple[int, int], ...] = ()
    model: str = "scripted"
    opening: bytes | None = None
    connections: int = 100

    def __call__(self, target: Target, source: str) -> Outcome:
        target = dataclasses.replace(target, model=self.model)
        opening = frames.PREFACE + frames.settings(*self.settings) if self.opening is None else self.opening
        with Connection(target, source, opening=opening, receive_bytes=RECEIVE_BYTES) as connection:
            sent = 0
            try:
                while sent < self.pieces:
                    batch = range(sent, min(sent + 50, self.pieces))
                    connection.socket.sendall(b"".join(self.make(target, index) for index in batch))
                    sent = batch.stop
            except TimeoutError:
                return Outcome(cut=False, sent=sent, words="the edge has stopped reading and keeps the connection")
            except OSError:
                return Outcome(cut=True, sent=sent)
            return self._wait(connection, sent)

    @staticmethod
    def _wait(connection: Connection, sent: int) -> Outcome:
        """While nothing is taken the end of a connection may not get through to us; so what has come is read at last.
        A connection that is only slow goes on then, and shows that it was not cut."""
        deadline = time.monotonic() + CUT_SECONDS
        while time.monotonic() < deadline:
            if peer_has_closed(connection):
                return Outcome(cut=True, sent=sent)
            time.sleep(POLL_SECONDS)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        deadline = time.monotonic() + PATIENCE_SECONDS
        try:
            while connection.socket.recv(1 << 16):
                if time.monotonic() > deadline:
                    raise TimeoutError
        except TimeoutError:
            return Outcome(cut=False, sent=sent, words="the edge keeps the connection")
        except OSError:
            pass
        return Outcome(cut=True, sent=sent, words="the end came when all was read")


def _models(target: Target, index: int) -> bytes:
    return frames.headers(stream_of(index), target.models())


def _unknown(target: Target, index: int) -> bytes:
    return frames.headers(stream_of(index), frames.block(*target.pseudo()))


def _chat(target: Target, index: int) -> bytes:
    stream = stream_of(index)
    return frames.headers(stream, target.chat(), ends=False) + frames.data(stream, target.body("much"))


NO_WINDOW = ((frames.INITIAL_WINDOW_SIZE, 0),)
WIDE_WINDOW = ((frames.INITIAL_WINDOW_SIZE, 2**31 - 1),)
# The connection's window as well, so that only TCP holds the answers back.
WIDE_OPEN = frames.PREFACE + frames.settings(*WIDE_WINDOW) + frames.window_update(0, 2**30)

NEVER_READS = [
    NeverReads("PINGs", lambda target, index: frames.ping(), 200_000),
    NeverReads("SETTINGS", lambda target, index: frames.settings(), 200_000),
    NeverReads("requests that are refused", _unknown, 30_000),
    NeverReads("requests whose answers have no window", _models, 10_000, NO_WINDOW),
    NeverReads("requests for the list of models", _models, 30_000, WIDE_WINDOW),
    NeverReads("answers of a megabyte", _chat, 8, model="scripted-http2", opening=WIDE_OPEN, connections=25),
]

def _pipelined(target: Target, index: int) -> bytes:
    return b"GET /v1/models HTTP/1.1\r\nHost: edge\r\n%s: %s\r\n\r\n" % target.credential


# Over connections that negotiated HTTP/1.1.
NEVER_READS_HTTP1 = [NeverReads("pipelined requests", _pipelined, 60_000, opening=b"")]


@dataclasses.dataclass(frozen=True)
class DripReader:
    """Opens the window of each answer by a few bytes at a time, to look alive for ever. Each must be reset, or the
    connection cut."""

    name: str
    step: int = 1
    streams: int = 4
    pause_seconds: float = 0.1
    updates: int = 300

    def __call__(self, target: Target, source: str) -> Outcome:
        target = dataclasses.replace(target, model="scripted-http2")
        opening = frames.PREFACE + frames.settings((frames.INITIAL_WINDOW_SIZE, 1))
        streams = [stream_of(index) for index in range(self.streams)]
        with Connection(target, source, opening=opening) as connection:
            connection.send(b"".join(_chat(target, index) for index in range(self.streams)))
            connection.until(lambda: len(connection.bodies) == self.streams or connection.cut)
            connection.socket.settimeout(self.pause_seconds)
            taken = dict.fromkeys(streams, 0)
            for sent in range(self.updates):
                open_streams = [stream for stream in streams if not connection.done(stream)]
                if not open_streams or connection.cut:
                    return outcome_of(connection, cut=True, sent=sent)
                for stream in open_streams:
                    # An update for each DATA frame is what every reader sends.
                    if len(connection.bodies[stream]) > taken[stream]:
                        taken[stream] = len(connection.bodies[stream])
                        connection.send(frames.window_update(stream, self.step))
                self._read_for_a_while(connection)
            return outcome_of(connection, cut=False, sent=self.updates, words="drips on")

    def _read_for_a_while(self, connection: Connection) -> None:
        ends = time.monotonic() + self.pause_seconds
        try:
            while time.monotonic() < ends and connection.read():
                pass
        except Unanswered:
            pass


DRIP_READERS = [DripReader("a byte at a time"), DripReader("ten bytes at a time", step=10)]


@dataclasses.dataclass(frozen=True)
class NoWindow:
    """Asks for answers, gives them no window, and shows by PINGs that it lives. Each must be reset."""

    name: str
    make: object
    streams: int = 4

    def __call__(self, target: Target, source: str) -> Outcome:
        opening = frames.PREFACE + frames.settings(*NO_WINDOW)
        streams = [stream_of(index) for index in range(self.streams)]
        with Connection(target, source, opening=opening) as connection:
            connection.send(b"".join(self.make(target, index) for index in range(self.streams)))
            deadline = time.monotonic() + 2 * CUT_SECONDS
            while time.monotonic() < deadline:
                if all(connection.done(stream) for stream in streams) or connection.cut:
                    return outcome_of(connection, cut=True, sent=self.streams)
                connection.answers()
                # Fewer PINGs than a flood of them has.
                time.sleep(0.5)
            return outcome_of(connection, cut=False, sent=self.streams, words="the answers wait on")


def _event_stream(target: Target, index: int) -> bytes:
    target = dataclasses.replace(target, model="scripted-http1")
    stream = stream_of(index)
    return frames.headers(stream, target.chat(), ends=False) + frames.data(stream, target.body(stream=True))


LAST_WORDS = NoWindow("what only the end of a stream brings", _event_stream)
NO_WINDOWS = [NoWindow("lists of models", _models), NoWindow("refusals", _unknown)]
