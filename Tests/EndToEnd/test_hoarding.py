"""Who makes an edge hold much is to blame for what is refused to its own address for that. Nobody else is."""

import contextlib

from devfleet.processes import wait_until
from edge_beside import connect, edge_beside, refusals
from hostile import frames
from http_clients import chat_body
from scripted import scripts

HOARDER, ORDINARY = "127.0.0.2", "127.0.0.3"
HELD_BYTES = 1 << 20
HOARD = 12
LIMITS = {
    "held_body_bytes": HELD_BYTES,
    "held_answer_bytes": HELD_BYTES,
    "offences_per_address": 4,
    "flood_window_seconds": 3600,
}


@contextlib.contextmanager
def hoarded(world, edge, source: str):
    """Most of what the edge may hold, in requests that do not end. Without a model they can go nowhere."""
    with contextlib.ExitStack() as stack:
        for _ in range(HOARD):
            connection = stack.enter_context(connect(world, edge, source=source))
            connection.sendall(head(world, HELD_BYTES) + b'{"x":"' + b"x" * (HELD_BYTES * 3 // 4 // HOARD))
        yield


def ask(world, edge, source: str) -> int:
    """The status of half as much as the edge may hold, which is bad: 400 when it has come whole, 503 without room.
    OSError at the door."""
    body = b'{"x":"' + b"x" * (HELD_BYTES // 2) + b'"}'
    with connect(world, edge, source=source) as connection:
        connection.sendall(head(world, len(body)) + body)
        return int(connection.recv(4096).split()[1])


def head(world, length: int) -> bytes:
    lines = f"POST /v1/chat/completions HTTP/1.1\r\nHost: edge\r\nContent-Length: {length}\r\n"
    return lines.encode() + f"Authorization: Bearer {world.key}\r\n\r\n".encode()


def test_who_meets_a_full_edge_has_done_nothing(world, tmp_path):
    with edge_beside(world, tmp_path, LIMITS) as edge, hoarded(world, edge, HOARDER):
        wait_until(lambda: ask(world, edge, ORDINARY) == 503, "the edge is full")
        assert [ask(world, edge, ORDINARY) for _ in range(8)] == [503] * 8, "and takes it every time"
        assert refusals(edge, "hoarding") == 0


def test_an_address_that_hoards_comes_no_faster_than_that_is_forgiven(world, tmp_path):
    with edge_beside(world, tmp_path, LIMITS) as edge:
        with hoarded(world, edge, HOARDER):
            wait_until(lambda: ask(world, edge, ORDINARY) == 503, "the edge is full")
            wait_until(lambda: is_held_off(world, edge), "it is held off for its own hoard")
            assert refusals(edge, "address_offences") == 1
            assert 2 <= refusals(edge, "hoarding") <= 4, "beyond half of it each connection counts ahead"
            assert ask(world, edge, ORDINARY) == 503, "another address is let in"
        wait_until(lambda: ask(world, edge, ORDINARY) == 400, "there is room again")


def is_held_off(world, edge) -> bool:
    try:
        assert ask(world, edge, HOARDER) == 503
        return False
    except OSError:
        return True


def test_what_an_address_may_hold_is_a_setting(world, tmp_path):
    """Three quarters are no hoard where nine tenths are its share."""
    with edge_beside(world, tmp_path, {**LIMITS, "held_percent_per_address": 90}) as edge:
        with hoarded(world, edge, HOARDER):
            wait_until(lambda: ask(world, edge, ORDINARY) == 503, "the edge is full")
            assert [ask(world, edge, HOARDER) for _ in range(8)] == [503] * 8, "and takes its requests every time"
            assert refusals(edge, "hoarding") == 0


def test_a_hoard_of_answers_counts_once_for_each_connection(world, tmp_path, scripted):
    """The edge gives streams up until it holds less, again and again; only whose address holds much is to blame."""
    with edge_beside(world, tmp_path, LIMITS, workers=1) as edge, scripted.doing(scripts.chat("x" * (1 << 20))):
        with unread(world, edge, ORDINARY, streams=1):
            with unread(world, edge, HOARDER, streams=100), unread(world, edge, HOARDER, streams=100):
                wait_until(lambda: refusals(edge, "hoarding") == 2, "both are counted")
                assert refusals(edge, "memory") > 2


@contextlib.contextmanager
def unread(world, edge, source: str, streams: int):
    """Asks for large answers at once and gives them no window."""
    opening = frames.PREFACE + frames.settings((frames.INITIAL_WINDOW_SIZE, 0))
    with connect(world, edge, protocol="h2", source=source) as connection:
        body = chat_body("scripted-http2")
        block = frames.block(
            (b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/v1/chat/completions"),
            (b":authority", b"edge"), (b"authorization", b"Bearer " + world.key.encode()),
        )
        asked = [frames.headers(1 + 2 * n, block, ends=False) + frames.data(1 + 2 * n, body) for n in range(streams)]
        connection.sendall(opening + b"".join(asked))
        yield
