"""The last bytes of a connection are as much the client's as the first, and a client that reads slowly has as long for them."""

import contextlib
import random
import time
import zlib

import pytest
from devfleet.processes import wait_until
from edge_beside import edge_beside, metric
from http_clients import Http1Client, chat_body
from test_http_backpressure import receive_ahead

# Longer than the edge gives its last words to somebody of whom nothing is expected.
SLOWNESS_SECONDS = 12
LARGEST = 12 << 20
LITTLE = 64 << 10
TRIALS = 60
ESTABLISHED = "01"


def whole_document(size: int) -> bytes:
    return b'"' + b"0123456789abcdef" * (size // 16) + b'"'


@pytest.fixture(scope="module")
def edge(world, tmp_path_factory):
    with edge_beside(world, tmp_path_factory.mktemp("last-words"), workers=1) as edge:
        yield edge


def test_a_slow_reader_gets_the_end_of_an_answer_that_ends_its_connection(world, edge, scripted):
    with contextlib.ExitStack() as stack:
        client, size = with_its_end_unsent(world, edge, scripted, stack)
        # It is busy with something else.
        time.sleep(SLOWNESS_SECONDS)
        receive_ahead(client, 1 << 20)
        text = whole_document(size)
        assert client.take_all(0) == (len(text), zlib.crc32(text))


def with_its_end_unsent(world, edge, scripted, stack) -> tuple[Http1Client, int]:
    """A client that reads nothing of an answer of which the kernel takes all but a little, found by trying sizes: the edge
    has said the end, by its record (over HTTP/1.1 an upstream's last bytes are its end), and has not ended the connection
    yet. The kernel does not take the same of each."""
    smallest, largest = 0, LARGEST
    for _ in range(TRIALS):
        size = (smallest + largest) // 2
        if largest - smallest < LITTLE:
            size = random.randint(smallest - LITTLE // 2, largest + LITTLE // 2)
        client = stack.enter_context(Http1Client(world, edge))
        receive_ahead(client, 1 << 18)
        said = metric(edge, "strait_edge_usage_records_total")
        with scripted.doing(answering_as_asked):
            client.ask(chat_body("scripted-http1", content=str(size)), headers={"connection": "close"})
            wait_until(lambda: scripted.exchanges, "the upstream is asked")
            scripted.until_at_rest(lambda exchange: True)
        if metric(edge, "strait_edge_usage_records_total") == said:
            largest = max(size, smallest)
        elif state_of_the_edges_socket(edge, client) != ESTABLISHED:
            smallest = min(size, largest)
        else:
            return client, size
        client.socket.close()
        wait_until(lambda: metric(edge, "strait_edge_connections_open") == 0, "it is gone")
    raise AssertionError(f"no size between {smallest} and {largest} leaves a little")


async def answering_as_asked(exchange):
    await exchange.answer(200, whole_document(int(exchange.request.json["messages"][0]["content"])))


def state_of_the_edges_socket(edge, client) -> str:
    """As /proc/net/tcp has it."""
    ours, theirs = client.socket.getsockname()[1], int(edge.address.split(":")[1])
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            _, local, remote, state, *_ = line.split()
            if int(local.split(":")[1], 16) == theirs and int(remote.split(":")[1], 16) == ours:
                return state
    return ""
