"""How many may connect, from where, how often and for how long; and who is refused is counted by reason."""

import contextlib
import json
import os
import resource
import signal
import socket
import ssl
import struct
import time

import httpx
import pytest
from devfleet.processes import wait_until
from edge_beside import H2Client, connect, descriptors, edge_beside, is_refused, metric, refusals
from hostile import frames
from scripted import scripts
from world import chat_request

CROWD = 400


def test_an_address_may_hold_so_many_connections(world, tmp_path):
    with edge_beside(world, tmp_path, {"connections_per_address": 5}) as edge:
        held = [connect(world, edge) for _ in range(5)]
        assert is_refused(world, edge)
        assert not is_refused(world, edge, source="127.0.0.2"), "another address has its own share"
        assert refusals(edge, "address_connections") == 1
        held.pop().close()
        wait_until(lambda: not is_refused(world, edge), "who left makes room")
        close_all(held)


def test_an_address_may_come_so_often(world, tmp_path):
    with edge_beside(world, tmp_path, {"new_connections_per_address_per_second": 2}) as edge:
        wait_until(lambda: is_refused(world, edge), "an address in a hurry is refused", every=0.01)
        assert refusals(edge, "address_rate") == 1
        assert not is_refused(world, edge, source="127.0.0.2")
        wait_until(lambda: not is_refused(world, edge), "it may come again, more slowly", every=1)


def test_an_address_whose_clients_offend_is_held_off(world, tmp_path):
    limits = {"offences_per_address": 4, "flood_window_seconds": 3600}
    with edge_beside(world, tmp_path, limits) as edge:
        headers = {"authorization": f"Bearer {world.key}"}
        with httpx.Client(base_url=edge.base_url, verify=world.trust, headers=headers) as neighbour:
            assert neighbour.get("/models").status_code == 200
            for _ in range(4):
                offend(world, edge)
            assert is_refused(world, edge)
            assert refusals(edge, "protocol_error") == 4
            assert refusals(edge, "address_offences") == 1
            assert not is_refused(world, edge, source="127.0.0.2"), "another address has done nothing"
            assert neighbour.get("/models").status_code == 200, "who is connected is served"


def test_an_address_that_offends_no_more_may_come_again(world, tmp_path):
    with edge_beside(world, tmp_path, {"offences_per_address": 2, "flood_window_seconds": 4}) as edge:
        wait_until(lambda: offend(world, edge), "an address of offenders is held off", every=0)
        assert refusals(edge, "address_offences") == 1
        wait_until(lambda: not is_refused(world, edge), "an offence is forgiven", every=0.5)
        wait_until(lambda: not any(is_refused(world, edge) for _ in range(5)), "all are forgiven", every=0.5)


def offend(world, edge) -> bool:
    """Returns whether the connection was refused instead of being ended for the offence."""
    try:
        with connect(world, edge, protocol="h2") as offender:
            offender.sendall(frames.PREFACE + frames.settings() + frames.frame(frames.PING, payload=bytes(7)))
            while offender.recv(4096):
                pass
        return False
    except OSError:
        return True


def test_all_who_are_turned_away_are_told(world, tmp_path):
    """More than an edge keeps waiting for that."""
    with edge_beside(world, tmp_path, {"connections_per_address": 1}) as edge:
        host, port = edge.address.split(":")
        held = connect(world, edge)
        before = descriptors(edge.child.pid)
        refused = [one for one in (knock((host, int(port))) for _ in range(700)) if one]
        for one in refused:
            with contextlib.suppress(ConnectionResetError):
                assert one.recv(1) == b""
        assert refusals(edge, "address_connections") == 700
        wait_until(lambda: descriptors(edge.child.pid) <= before, "nothing of them is left")
        close_all([*refused, held])


def knock(address) -> socket.socket | None:
    """None when the answer was there before the connection was."""
    try:
        return socket.create_connection(address, timeout=30)
    except ConnectionResetError:
        return None


def test_an_edge_holds_so_many_connections(world, tmp_path):
    with edge_beside(world, tmp_path, {"connections": 6}) as edge:
        held = [connect(world, edge, source=f"127.0.0.{number}") for number in range(1, 7)]
        assert is_refused(world, edge, source="127.0.0.9")
        assert refusals(edge, "too_many_connections") == 1
        assert metric(edge, "strait_edge_connections_open") == 6
        close_all(held)
        wait_until(lambda: metric(edge, "strait_edge_connections_open") == 0, "all have left")


@pytest.mark.parametrize("in_order", [True, False], ids=["in order", "reset"])
def test_hundreds_who_leave_at_once_leave_nothing(world, tmp_path, in_order):
    """More than an edge lets go of in one turn, each in the middle of a request."""
    limits = {"connections_per_address": CROWD, "new_connections_per_address_per_second": CROWD}
    with edge_beside(world, tmp_path, limits, workers=1) as edge:
        before = descriptors(edge.child.pid)
        crowd = [connect(world, edge) for _ in range(CROWD)]
        for one in crowd:
            one.sendall(half_a_request(world, edge))
        wait_until(lambda: metric(edge, "strait_edge_exchanges_active") == CROWD, "all have begun")
        # It finds them all gone when it looks again.
        os.kill(edge.child.pid, signal.SIGSTOP)
        for one in crowd:
            if not in_order:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
        os.kill(edge.child.pid, signal.SIGCONT)
        wait_until(lambda: metric(edge, "strait_edge_connections_open") == 0, "all have left")
        wait_until(lambda: descriptors(edge.child.pid) <= before, "nothing of them is left")
        assert metric(edge, "strait_edge_exchanges_active") == 0
        assert not is_refused(world, edge)


def half_a_request(world, edge) -> bytes:
    body = json.dumps(chat_request()).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {edge.address}\r\nauthorization: Bearer {world.key}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2]


def test_half_a_handshake_counts_and_does_not_last(world, tmp_path):
    with edge_beside(world, tmp_path, {"connections_per_address": 1, "handshake_seconds": 5}) as edge:
        host, port = edge.address.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as silent:
            # Another worker may take the second connection, and before the first is taken.
            wait_until(lambda: metric(edge, "strait_edge_connections_accepted_total") == 1, "it is taken")
            assert is_refused(world, edge), "it counts"
            assert silent.recv(1) == b"", "it is closed"
        assert refusals(edge, "handshake_timeout") == 1
        wait_until(lambda: not is_refused(world, edge), "its place is free")


def test_without_descriptors_clients_are_told_and_the_others_served(world, tmp_path):
    """A socket that nobody accepts from stays ready; the edge must not spin, hang or die over it."""
    with edge_beside(world, tmp_path, {"connections": 100_000}) as edge:
        headers = {"authorization": f"Bearer {world.key}"}
        # By itself httpx would close an idle connection after five seconds.
        keep = httpx.Limits(keepalive_expiry=None)
        with httpx.Client(base_url=edge.base_url, verify=world.trust, headers=headers, limits=keep) as early:
            assert early.get("/models").status_code == 200
            most = descriptors(edge.child.pid) + 10
            resource.prlimit(edge.child.pid, resource.RLIMIT_NOFILE, (most, most))
            held = []
            wait_until(lambda: not take(world, edge, held), "the descriptors are used up", every=0)
            # The edge's own files open and close meanwhile, so that one or another may still come in.
            assert sum(not take(world, edge, held) for _ in range(60)) >= 50
            assert early.get("/models").status_code == 200
            close_all(held)
            wait_until(lambda: not is_refused(world, edge), "there are descriptors again")
            assert refusals(edge, "too_many_connections") >= 50


def take(world, edge, held: list) -> bool:
    try:
        held.append(connect(world, edge))
        return True
    except OSError:
        return False


def test_an_old_http1_connection_ends_with_an_answer(world, tmp_path, scripted):
    with edge_beside(world, tmp_path, {"connection_age_seconds": 1}) as edge:
        headers = {"authorization": f"Bearer {world.key}"}
        with httpx.Client(base_url=edge.base_url, verify=world.trust, headers=headers) as client:
            answer = client.get("/models")
            assert "connection" not in answer.headers
            wait_until(lambda: refusals(edge, "connection_age") == 1, "the connection is old")
            answer = client.get("/models")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            assert "connection" not in client.get("/models").headers, "the next one is young"


def test_an_old_http2_connection_ends_when_its_streams_have(world, tmp_path, scripted):
    async def until_old(exchange):
        while refusals(edge, "connection_age") == 0:
            time.sleep(0.1)

    with edge_beside(world, tmp_path, {"connection_age_seconds": 1}) as edge:
        with scripted.doing(scripts.chat_stream(pause=until_old)), H2Client(world, edge) as client:
            body = json.dumps(chat_request(stream=True)).encode()
            stream = client.request("/chat/completions", body)
            status, _, text = client.answer(stream)
            assert (status, text.endswith(b"data: [DONE]\n\n")) == (200, True)
            while client.read():
                pass
            # A notice first, so that requests under way are not refused; then the last stream that was taken.
            assert client.goaways == [(2**31 - 1, 0), (stream, 0)]


def test_a_connection_that_only_waits_is_ended(world, tmp_path, http2):
    with edge_beside(world, tmp_path, {"idle_connection_seconds": 1}) as edge:
        with connect(world, edge, protocol="h2" if http2 else "http/1.1") as idle:
            try:
                while idle.recv(4096):
                    pass
            except ssl.SSLError as error:
                pytest.fail(f"it must end in order: {error}")
        assert refusals(edge, "idle") == 1


def close_all(sockets) -> None:
    for one in sockets:
        one.close()
