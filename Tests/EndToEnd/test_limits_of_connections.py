"""More limits that an operator changes, those of one connection: what a limit allows passes, and one more does not."""

import contextlib
import queue
import socket
import time
from collections import Counter

import httpx
import pytest
from devfleet.processes import wait_until
from edge_beside import edge_beside, refusals
from hostile import frames
from hostile.connection import Connection, Target, target_of
from hostile.key_updates import UPDATE_NOT_REQUESTED, TlsConnection
from http_clients import Http1Client, Http2Client, chat_body, client_of
from raw_upstream import GOOD, H2Upstream, RawUpstream, h2_head, read_request
from scripted import WAYS
from test_http_backpressure import much_or_little, until_still
from upstream_models import add_models
from world import chat_request

LIMITS = {
    "trailer_bytes": 512,
    "chunk_extension_bytes": 64,
    "stream_window_bytes": 131_072,
    "connection_window_bytes": 262_144,
    "continuation_frames": 3,
    "empty_data_frames": 4,
    "overhead_factor": 2,
    "overhead_bytes": 10_000,
    "priority_frames_per_stream": 5,
    "resets_before_data": 6,
    "window_updates_per_data_frame": 2,
    "queued_control_frames": 20,
    "pings_per_minute": 100_000,
    "key_updates_per_minute": 3,
    "slow_reader_seconds": 3600,
    "slow_reader_floor_bytes": 262_144,
    "slow_reader_floor_seconds": 2,
    "upstream_concurrent_streams": 2,
    "upstream_stream_window_bytes": 200_000,
    "upstream_connection_window_bytes": 300_000,
}
BUFFER_BYTES = 1 << 20
TABLE_BYTES = 1024


@pytest.fixture(scope="module")
def edge(world, tmp_path_factory):
    with edge_beside(world, tmp_path_factory.mktemp("connections"), LIMITS, workers=1) as edge:
        yield edge


@pytest.fixture(scope="module")
def target(world, edge) -> Target:
    return target_of(world, edge)


@contextlib.contextmanager
def cut_for(edge, reason: str):
    """One connection is cut for the reason meanwhile, and none for another."""
    before = refusals(edge, reason)
    yield
    wait_until(lambda: refusals(edge, reason) == before + 1, f"the cut is counted as {reason}")


# MARK: what the edge offers


class Noting(Connection):
    """Notes what the other side has set."""

    def __init__(self, *arguments, **options):
        self.settings: dict[int, int] = {}
        self.data_frames = 0
        super().__init__(*arguments, **options)

    def note(self, frame: frames.Frame) -> None:
        self.settings.update(settings_of(frame))
        self.data_frames += frame.kind == frames.DATA
        super().note(frame)


def settings_of(frame: frames.Frame) -> dict[int, int]:
    if frame.kind != frames.SETTINGS:
        return {}
    entries = [frame.payload[start : start + 6] for start in range(0, len(frame.payload), 6)]
    return {int.from_bytes(entry[:2]): int.from_bytes(entry[2:]) for entry in entries}


def test_windows_towards_clients(target):
    with Noting(target) as connection:
        assert connection.answers()
        assert connection.settings[frames.INITIAL_WINDOW_SIZE] == LIMITS["stream_window_bytes"]
        assert connection.window(0) == LIMITS["connection_window_bytes"]


def test_windows_towards_upstreams(world, edge):
    settings, window = {}, [65_535]

    def note(frame: frames.Frame) -> None:
        settings.update(settings_of(frame))
        if frame.kind == frames.WINDOW_UPDATE and frame.stream == 0:
            window[0] += int.from_bytes(frame.payload)

    with RawUpstream(H2Upstream(noting=note)) as upstream:
        model = add_models(world, {"noting": {"url": upstream.url(), "http_version": "http2"}}, [edge])["noting"]
        with world.http(edge) as client:
            assert client.post("/chat/completions", json=chat_request(model)).content == GOOD
    assert settings[frames.INITIAL_WINDOW_SIZE] == LIMITS["upstream_stream_window_bytes"]
    assert window[0] == LIMITS["upstream_connection_window_bytes"]


def test_hpack_table_bytes(world, tmp_path):
    """Both sides are told, and those that keep to it are understood."""
    settings: dict[int, int] = {}

    def answer(connection, encoder, stream, _):
        encoder.header_table_size = TABLE_BYTES
        connection.sendall(h2_head(encoder, stream) + frames.data(stream, GOOD))

    upstream = RawUpstream(H2Upstream(answer, noting=lambda frame: settings.update(settings_of(frame))))
    with edge_beside(world, tmp_path, {"hpack_table_bytes": TABLE_BYTES}) as edge, upstream:
        model = add_models(world, {"table": {"url": upstream.url(), "http_version": "http2"}}, [edge])["table"]
        with world.http(edge, http2=True) as client:
            for _ in range(3):
                assert client.post("/chat/completions", json=chat_request(model)).content == GOOD
        with Noting(target_of(world, edge)) as connection:
            assert connection.answers()
            assert connection.settings[frames.HEADER_TABLE_SIZE] == TABLE_BYTES
    assert settings[frames.HEADER_TABLE_SIZE] == TABLE_BYTES


@pytest.mark.parametrize("says_late", [False, True], ids=["at once", "late"])
def test_streams_of_an_upstreams_connection(world, edge, says_late):
    """The upstream would take as many as come, and says so at once or when it was asked already; the edge asks no more of
    one connection than it may."""
    most, waiting = LIMITS["upstream_concurrent_streams"], queue.SimpleQueue()

    def hold(connection, encoder, stream, _):
        waiting.put((connection, encoder, stream))

    def serve(connection):
        if says_late:
            connection.recv(1, socket.MSG_PEEK)
            time.sleep(0.3)
        H2Upstream(hold)(connection)

    with RawUpstream(serve) as upstream:
        model = add_models(world, {"many": {"url": upstream.url(), "http_version": "http2"}}, [edge])["many"]
        with Http2Client(world, edge) as client:
            streams = [client.ask(chat_body(model)) for _ in range(3 * most)]
            held = [waiting.get(timeout=60) for _ in streams]
            # As many connections as are needed, or more.
            assert max(Counter(connection for connection, _, _ in held).values()) == most
            for connection, encoder, stream in held:
                connection.sendall(h2_head(encoder, stream) + frames.data(stream, GOOD))
            assert [client.answer(stream).status for stream in streams] == [200] * len(streams)


# MARK: what clients may send


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("way", WAYS)
def test_trailers_beyond_are_left_out_over_http2_and_refused_over_http1(world, scripted, edge, way, http2):
    body, field = chat_body(f"scripted-{way}"), "y" * 200
    fitting = {"x-first": field, "x-second": field}
    with client_of(world, edge, http2) as client:
        stream = client.ask(body, chunked=True, ends=False)
        client.send_body(stream, body, chunked=True, trailers=fitting)
        assert client.answer(stream).status == 200
        assert scripted.last.upload.trailers == fitting
    with client_of(world, edge, http2) as client:
        stream = client.ask(body, chunked=True, ends=False)
        client.send_body(stream, body, chunked=True, trailers={**fitting, "x-third": field})
        answer = client.answer(stream)
        assert answer.status == (200 if http2 else 400)
        if http2:
            assert scripted.last.upload.trailers == fitting


@pytest.mark.parametrize("more, status", [(0, 200), (1, 400)])
def test_chunk_extension_bytes_of_a_client(world, scripted, edge, more, status):
    body, extension = chat_body(), b";" + b"e" * (LIMITS["chunk_extension_bytes"] - 1 + more)
    with Http1Client(world, edge) as client:
        client.ask(body, chunked=True, ends=False)
        client.send(b"%x%s\r\n%s\r\n0\r\n\r\n" % (len(body), extension, body))
        assert client.answer().status == status


@pytest.mark.parametrize("more", [0, 1])
def test_chunk_extension_bytes_of_an_upstream(world, edge, more):
    extension = b";" + b"e" * (LIMITS["chunk_extension_bytes"] - 1 + more)

    def serve(connection):
        while read_request(connection):
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
            connection.sendall(head + b"%x%s\r\n%s\r\n0\r\n\r\n" % (len(GOOD), extension, GOOD))

    with RawUpstream(serve) as upstream:
        model = add_models(world, {"chunks": {"url": upstream.url()}}, [edge])["chunks"]
        with world.http(edge) as client:
            # The head has gone when the chunk comes: the answer breaks off.
            with pytest.raises(httpx.RemoteProtocolError) if more else contextlib.nullcontext():
                assert client.post("/chat/completions", json=chat_request(model)).content == GOOD


@pytest.mark.parametrize("more", [0, 1])
def test_continuation_frames(edge, target, more):
    block, count = target.models(), LIMITS["continuation_frames"] + more
    pieces = [*(block[index : index + 1] for index in range(count - 1)), block[count - 1 :]]
    sent = frames.headers(1, b"", flags=0)
    for index, piece in enumerate(pieces, start=1):
        sent += frames.frame(frames.CONTINUATION, frames.END_HEADERS if index == count else 0, 1, piece)
    with Connection(target) as connection:
        connection.send(sent)
        connection.until(lambda: connection.done(1) or connection.cut)
        assert connection.statuses == ({} if more else {1: 200})


def flood(edge, target, reason: str, opening: bytes, piece, allowed: int) -> None:
    """So many pieces are taken, and the one behind them ends the connection."""
    with Connection(target) as connection, cut_for(edge, reason):
        connection.send(opening + b"".join(piece(index) for index in range(allowed)))
        assert connection.answers()
        connection.send(piece(allowed))
        connection.until_closed()


def open_request(target: Target) -> bytes:
    return frames.headers(1, target.chat(), ends=False)


def test_empty_data_frames(edge, target):
    allowed = LIMITS["empty_data_frames"]
    flood(edge, target, "empty_data_flood", open_request(target), lambda _: frames.data(1, ends=False), allowed)


def test_priority_frames_per_stream(edge, target):
    allowed = 2 * LIMITS["priority_frames_per_stream"]
    flood(edge, target, "priority_flood", open_request(target), lambda index: frames.priority(1, 0, index), allowed)


def test_resets_before_data(edge, target):
    def piece(index):
        stream = 1 + 2 * index
        return frames.headers(stream, target.chat(), ends=False) + frames.reset(stream)

    flood(edge, target, "rapid_reset", b"", piece, LIMITS["resets_before_data"])


def test_overhead_bytes_and_factor(edge, target):
    """What says nothing may be so much, and more for what does: a body of 20,000 bytes allows for itself and as much again."""
    nothing = frames.frame(frames.UNKNOWN, 0, 0, bytes(991))
    body = frames.data(1, bytes(16_000), ends=False) + frames.data(1, bytes(4_000), ends=False)
    for opening, least in (b"", 9), (open_request(target) + body, 29):
        with Connection(target) as connection, cut_for(edge, "overhead"):
            connection.send(opening + nothing * least)
            assert connection.answers()
            connection.send(nothing * 3)
            connection.until_closed()


def test_window_updates_per_data_frame(edge, target):
    with Noting(target) as connection, cut_for(edge, "window_update_flood"):
        connection.send(frames.headers(1, target.models()))
        connection.until(lambda: connection.done(1))
        assert connection.data_frames > 0
        allowed = 1 + 2 * (1 + LIMITS["window_updates_per_data_frame"] * connection.data_frames)
        connection.send(frames.window_update(0, 1) * allowed)
        assert connection.answers()
        connection.send(frames.window_update(0, 1))
        connection.until_closed()


def test_queued_control_frames(edge, target):
    """Answers that wait to be sent: all that comes in one record is worked off before anything goes out."""
    allowed = LIMITS["queued_control_frames"] - 1
    with Connection(target) as connection, cut_for(edge, "queued_frames"):
        assert connection.answers()
        for _ in range(3):
            connection.send(frames.ping() * allowed)
            assert connection.answers()
        connection.send(frames.ping() * (allowed + 2))
        connection.until_closed()


def test_key_updates_per_minute(edge, target):
    with TlsConnection(target, "127.0.0.1") as connection, cut_for(edge, "key_update_flood"):
        connection.send(frames.PREFACE + frames.settings())
        connection.update_keys(LIMITS["key_updates_per_minute"], UPDATE_NOT_REQUESTED)
        assert connection.answers(b"the good")
        connection.update_keys(1, UPDATE_NOT_REQUESTED)
        assert not connection.answers(b"and more")


# MARK: what clients have to take


def test_slow_reader_floor_bytes(world, edge, scripted):
    """It takes 64 KiB in two seconds, of which the default would be content with one."""
    before = refusals(edge, "slow_reader")
    with scripted.doing(much_or_little), Http2Client(world, edge) as client:
        stream = client.ask(chat_body(content="much"))
        client.hold(stream)
        client.head(stream)

        def sip() -> bool:
            if refusals(edge, "slow_reader") > before:
                return True
            client.sip(stream, 16_384)
            return False

        wait_until(sip, "who takes less than the floor is given up", seconds=60, every=0.5)


def test_stream_buffer_bytes(world, scripted, tmp_path):
    """An upstream is let send as much as the buffer has room for, and what its window allows before it is told."""
    limits = {"stream_buffer_bytes": BUFFER_BYTES, "slow_reader_seconds": 3600, "slow_reader_floor_seconds": 3600}
    with edge_beside(world, tmp_path, limits, workers=1) as edge, Http2Client(world, edge) as others:
        with scripted.doing(much_or_little), Http2Client(world, edge) as client:
            stream = client.ask(chat_body("scripted-http2", content="much"))
            client.hold(stream)
            client.head(stream)
            sent = until_still([scripted.exchanges[0]], others)
            assert BUFFER_BYTES <= sent < BUFFER_BYTES + (1 << 18)
