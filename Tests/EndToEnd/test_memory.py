"""An edge that runs short of memory does without: first without those who only wait, then without new work, and at
last without the streams that hold the most. Who was served goes on being served."""

import json
import threading

import pytest
from devfleet.processes import wait_until
from edge_beside import H2Client, connect, edge_beside, metric, refusals
from scripted import scripts
from world import chat_request

MIB = 1 << 20
# Of one request that never ends; three of them are more than the edges here may hold.
BODY = 30 * MIB
NORMAL, REFUSE = 0, 2


@pytest.fixture(scope="module")
def base(world, tmp_path_factory) -> int:
    """What an edge uses that does nothing."""
    with edge_beside(world, tmp_path_factory.mktemp("base")) as edge:
        return int(wait_until(lambda: metric(edge, "strait_edge_memory_bytes"), "the edge knows its memory"))


def limits(base: int, refuse: int, reset: int) -> dict:
    """Percents of what an edge that does nothing uses and 100 MiB."""
    return {
        "memory_bytes": base + 100 * MIB,
        "memory_drain_percent": refuse,
        "memory_refuse_percent": refuse,
        "memory_reset_percent": reset,
        # Bodies have a limit of their own, well below; it is not what is tried here.
        "held_body_bytes": 1 << 30,
    }


def test_new_work_is_refused_and_old_work_goes_on(world, tmp_path, scripted, base):
    settings = limits(base, refuse=85, reset=100)
    with edge_beside(world, tmp_path, settings) as edge, scripted.doing(scripts.endless()):
        with H2Client(world, edge) as busy, connect(world, edge) as idle:
            stream = busy.request("/chat/completions", json.dumps(chat_request(stream=True)).encode())
            busy.until_data(stream)
            holders = [hold(world, edge) for _ in range(3)]
            wait_until(lambda: metric(edge, "strait_edge_memory_level") == REFUSE, "memory is short")
            assert idle.recv(1) == b"", "who only waits is ended"

            _, headers, body = wait_until(lambda: answer(busy, 503), "its worker refuses", every=0.1)
            assert headers["retry-after"] == "1"
            assert json.loads(body)["error"]["code"] == "overloaded"
            busy.until_data(stream)

            answered = threading.Event()
            newcomer = threading.Thread(target=lambda: (connect(world, edge).close(), answered.set()))
            newcomer.start()
            for holder in holders:
                holder.close()
            wait_until(answered.is_set, "who came meanwhile is served when there is memory again")
            newcomer.join()
            wait_until(lambda: answer(busy, 200), "its worker serves again", every=0.1)
            busy.until_data(stream)


def test_the_largest_streams_are_reset(world, tmp_path, scripted, base):
    settings = limits(base, refuse=85, reset=85)
    with edge_beside(world, tmp_path, settings) as edge, scripted.doing(scripts.endless()):
        with H2Client(world, edge) as busy:
            stream = busy.request("/chat/completions", json.dumps(chat_request(stream=True)).encode())
            busy.until_data(stream)
            holders = [hold(world, edge) for _ in range(3)]
            wait_until(lambda: refusals(edge, "memory") > 0, "the largest go")
            wait_until(lambda: metric(edge, "strait_edge_memory_level") == NORMAL, "that was enough")
            assert refusals(edge, "memory") < 3, "no more than had to"
            busy.until_data(stream)
            for holder in holders:
                holder.close()


def answer(client: H2Client, status: int) -> tuple | None:
    """The answer to a small request if it has this status: workers learn of a level one after another."""
    whole = client.answer(client.request("/models"))
    return whole if whole[0] == status else None


def hold(world, edge):
    """A client that sends most of a body and then nothing. Without a model the body can go nowhere: it is held."""
    client = connect(world, edge)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: edge\r\nContent-Length: {BODY + 1}\r\n"
    client.sendall(head.encode() + f"Authorization: Bearer {world.key}\r\n\r\n".encode())
    try:
        client.sendall(b'{"x":"' + b"x" * (BODY - 6))
    except OSError:
        pass  # It was reset before it had sent all.
    return client
