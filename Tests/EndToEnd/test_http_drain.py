"""SIGTERM ends an edge without ending anybody's answer: clients are asked to leave, what runs goes on within the window,
and the process ends with the last of it."""

import signal
import threading

import pytest
from devfleet.processes import wait_until
from edge_beside import edge_beside, is_refused
from http_clients import Http1Client, Http2Client, chat_body, client_of
from scripted import scripts

WAYS = ["http1", "http2"]
DONE = b"data: [DONE]\n\n"
ALL_STREAMS = 2**31 - 1
# No test waits for it: the edge must end because it has nothing left to do.
LONG_SECONDS, SHORT_SECONDS = 600, 1


@pytest.fixture
def go_on():
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def gated(scripted, go_on):
    """Streams begin, and end when `go_on` is set."""
    with scripted.doing(scripts.chat_stream(pause=scripts.when(go_on))):
        yield scripted


def terminate(edge) -> None:
    edge.child.process.send_signal(signal.SIGTERM)


def ended(edge) -> int:
    """The exit status, as soon as there is one."""
    wait_until(lambda: not edge.child.running, "the edge ends", seconds=60)
    return edge.child.process.returncode


def begin_stream(client, way="http1") -> int:
    stream = client.ask(chat_body(f"scripted-{way}", stream=True))
    client.until_body(stream, b"assistant")
    return stream


@pytest.mark.parametrize("way", WAYS)
def test_answers_under_way_end_whole_and_the_edge_with_them(world, tmp_path, gated, go_on, way, http2):
    with edge_beside(world, tmp_path, drain_seconds=LONG_SECONDS) as edge:
        clients = [client_of(world, edge, http2) for _ in range(4)]
        streams = [begin_stream(client, way) for client in clients]
        terminate(edge)
        wait_until(lambda: is_refused(world, edge), "it listens no more")
        assert edge.child.running
        go_on.set()
        for client, stream in zip(clients, streams, strict=True):
            assert client.answer(stream).body.endswith(DONE)
            client.read_to_end()
        assert ended(edge) == 0
    assert not any(exchange.gone.is_set() for exchange in gated.exchanges)


def test_an_http2_client_is_told_in_two_steps(world, tmp_path, gated, go_on):
    """A request that was on its way when the first notice came is served; the second says which was the last."""
    with edge_beside(world, tmp_path, drain_seconds=LONG_SECONDS) as edge, Http2Client(world, edge) as client:
        first = begin_stream(client)
        terminate(edge)
        until_goaways(client, 1)
        assert client.goaways == [(ALL_STREAMS, 0)]
        crossed = client.ask(chat_body("scripted-http1", stream=True))
        until_goaways(client, 2)
        assert client.goaways[1] == (crossed, 0)
        go_on.set()
        for stream in (first, crossed):
            assert client.answer(stream).body.endswith(DONE)
        client.read_to_end()
        assert ended(edge) == 0


def test_a_request_behind_the_second_notice_is_not_taken_up(world, tmp_path, gated, go_on):
    with edge_beside(world, tmp_path, drain_seconds=LONG_SECONDS) as edge, Http2Client(world, edge) as client:
        first = begin_stream(client)
        terminate(edge)
        until_goaways(client, 2)
        late = client.ask(chat_body("scripted-http1"))
        go_on.set()
        assert client.answer(first).body.endswith(DONE)
        client.read_to_end()
        assert not client.so_far(late).headers
        assert ended(edge) == 0
    assert len(gated.exchanges) == 1


def until_goaways(client: Http2Client, count: int) -> None:
    while len(client.goaways) < count:
        assert client.read(), "the edge closed without a word"


def test_an_idle_edge_ends_at_once(world, tmp_path, http2):
    with edge_beside(world, tmp_path, drain_seconds=LONG_SECONDS) as edge, client_of(world, edge, http2) as client:
        assert client.answer(client.ask(path="/models")).status == 200
        terminate(edge)
        while client.read():
            pass
        assert ended(edge) == 0


def test_an_http1_answer_that_begins_in_the_drain_says_that_it_is_the_last(world, tmp_path, scripted, go_on):
    with scripted.doing(scripts.when(go_on, scripts.chat())):
        with edge_beside(world, tmp_path, drain_seconds=LONG_SECONDS) as edge, Http1Client(world, edge) as client:
            client.ask(chat_body())
            wait_until(lambda: scripted.exchanges, "the upstream has the request")
            terminate(edge)
            wait_until(lambda: is_refused(world, edge), "it listens no more")
            go_on.set()
            answer = client.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            client.read_to_end()
            assert ended(edge) == 0


def test_a_request_that_comes_in_while_the_edge_drains_is_still_answered(world, tmp_path, scripted, http2):
    """Its head was there before, its body comes behind the signal."""
    body = chat_body("scripted-http1", content="x" * 10_000)
    with edge_beside(world, tmp_path, drain_seconds=LONG_SECONDS) as edge, client_of(world, edge, http2) as client:
        stream = client.ask(body, headers={"expect": "100-continue"}, ends=False)
        client.until_informed(stream, 100)
        terminate(edge)
        wait_until(lambda: is_refused(world, edge), "it listens no more")
        client.send_body(stream, body)
        assert client.answer(stream).status == 200
        client.read_to_end()
        assert ended(edge) == 0
    assert scripted.last.request.body == body


def test_what_outlasts_the_window_is_cut_and_does_not_look_whole(world, tmp_path, gated, http2):
    with edge_beside(world, tmp_path, drain_seconds=SHORT_SECONDS) as edge, client_of(world, edge, http2) as client:
        stream = begin_stream(client)
        request_id = client.head(stream).headers["x-request-id"]
        terminate(edge)
        with pytest.raises((EOFError, OSError)):
            client.answer(stream)
        assert ended(edge) == 0
        assert gated.last.gone.wait(30)
        # Its record waits in the spool for the next start.
        edge.start()
        assert world.record(request_id)["outcome"] == "edge_stopped"


def test_the_control_a_killed_edge_cuts_its_answers(world, tmp_path, gated, go_on, http2):
    with edge_beside(world, tmp_path, drain_seconds=LONG_SECONDS) as edge, client_of(world, edge, http2) as client:
        stream = begin_stream(client)
        edge.child.kill()
        go_on.set()
        with pytest.raises((EOFError, OSError)):
            client.answer(stream)
