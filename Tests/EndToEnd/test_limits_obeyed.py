"""Each reason for which a request is refused, provoked and counted; and limits that an operator changes, obeyed as they
are: what a limit allows passes, and one more does not."""

import concurrent.futures
import contextlib
import json
import socket
import threading

import pytest
from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import wait_until
from edge_beside import edge_beside, metric, refusals
from hostile import frames
from hostile.connection import Connection, Target, target_of
from raw_upstream import GOOD, RawUpstream, answer, read_request
from scripted import scripts
from test_client_mistakes import mistyped, unknown
from upstream_models import add_models
from world import chat_request

JSON = {"content-type": "application/json"}
CHAT = "/chat/completions"
LIMITS = {
    "request_body_bytes": 4096,
    "gap_inside_body_seconds": 2,
    "time_to_first_byte_seconds": 2,
    "whole_stream_seconds": 6,
    "header_fields": 20,
    "header_list_bytes": 2048,
    "concurrent_streams": 7,
    "pings_per_minute": 5,
    "settings_per_minute": 3,
    "settings_entries": 16,
    "upstream_connections": 2,
    "upstream_connect_seconds": 2,
}
WORKERS = 2


@pytest.fixture(scope="module")
def edge(world, tmp_path_factory):
    with edge_beside(world, tmp_path_factory.mktemp("limits"), LIMITS) as edge:
        yield edge


@pytest.fixture(scope="module")
def target(world, edge) -> Target:
    return target_of(world, edge)


# MARK: every reason


def post(body=None, path=CHAT, headers=None, content=None, method="POST"):
    def ask(world, client, _):
        sent = json.dumps(body or chat_request()).encode() if content is None else content
        return client.request(method, path, content=sent, headers={**JSON, **(headers or {})}).status_code

    return ask


def with_key(key):
    def ask(world, client, _):
        given = key(world.key) if key else ""
        headers = {"authorization": f"Bearer {given}" if given else ""}
        return client.post(CHAT, json=chat_request(), headers=headers).status_code

    return ask


def at_odds(world, _, target):
    """A `host` that is not the `:authority`."""
    with Connection(target) as connection:
        connection.send(frames.headers(1, target.models((b"host", b"elsewhere.test"))))
        connection.until(lambda: connection.done(1))
        return connection.statuses[1]


def silent_body(world, _, target):
    with Connection(target) as connection:
        connection.send(frames.headers(1, target.chat((b"content-length", b"100")), ends=False))
        connection.until(lambda: connection.done(1) or 1 in connection.statuses)
        return connection.statuses[1]


def scripted_as(script, model="scripted"):
    def ask(world, client, _):
        with world.scripted.doing(script):
            return client.post(CHAT, json=chat_request(model)).status_code

    return ask


async def never(exchange):
    await exchange.until_gone()


async def nonsense(exchange):
    await exchange.raw(b"HTTP/1.1 abc\r\n\r\n")
    await exchange.cut()


REASONS = {
    "bad_request": (at_odds, 400),
    "head_too_large": (post(headers={f"x-{number}": "y" for number in range(40)}), 431),
    "missing_key": (with_key(None), 401),
    "malformed_key": (with_key(mistyped), 401),
    "unknown_key": (with_key(lambda _: unknown()), 401),
    "unknown_path": (post(path="/chat/nothing"), 404),
    "method_not_allowed": (post(method="PUT"), 405),
    "unsupported_content_type": (post(headers={"content-type": "text/plain"}), 415),
    "unsupported_content_encoding": (post(headers={"content-encoding": "gzip"}), 415),
    "body_too_large": (post(chat_request(content="a" * 5000)), 413),
    "invalid_body": (post(content=b"{"), 400),
    "model_not_found": (post(chat_request("no-such-model")), 404),
    "model_in_other_dialect": (post(chat_request("scripted-claude")), 404),
    "request_timeout": (silent_body, 408),
    "upstream_unreachable": (post(chat_request("nowhere")), 502),
    "upstream_timeout": (scripted_as(never), 504),
    "upstream_cut": (scripted_as(scripts.cut_before_head()), 502),
    "upstream_malformed": (scripted_as(nonsense), 502),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_refusal_is_counted_by_its_reason_and_by_no_other(world, scripted, edge, target, reason):
    ask, status = REASONS[reason]

    def counted():
        start = "strait_edge_refusals_total"
        return {name: count for name, count in edge.metrics().items() if name.startswith(start)}

    before = counted()
    with world.http(edge) as client:
        assert ask(world, client, target) == status
    rose = {name: count - before[name] for name, count in counted().items() if count != before[name]}
    assert rose == {f'strait_edge_refusals_total{{reason="{reason}"}}': 1}


def test_an_edge_without_a_configuration_is_not_ready_and_says_so(world, tmp_path):
    """It has joined and is started again without what it had been told, and without a centre."""
    with edge_beside(world, tmp_path) as first:
        first.child.stop()
        for file in first.data.iterdir():
            if "snapshot" in file.name or "configuration" in file.name:
                file.unlink()
        lost = Edge(
            first.region, first.folder, tmp_path / "logs", Ports(tmp_path), _Gone(world), world.fleet.authority,
            {"workers": 1},
        )
        lost.address, lost.base_url, lost.admin_url = first.address, first.base_url, first.admin_url
        lost.launch()
        try:
            with world.http(lost) as client:
                got = wait_until(lambda: _try(client), "the edge listens", children=[lost.child])
            assert (got.status_code, got.json()["error"]["code"]) == (503, "not_ready")
            assert got.headers["retry-after"]
            assert refusals(lost, "not_ready") == 1
        finally:
            lost.child.stop()


class _Gone:
    """A control plane that nobody finds."""

    def __init__(self, world):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.grpc_address = self.enrolment_address = f"127.0.0.1:{listener.getsockname()[1]}"
        self.authority_file = world.fleet.control_plane.authority_file


def _try(client):
    with contextlib.suppress(OSError, Exception):
        return client.post(CHAT, json=chat_request())


# MARK: limits of HTTP/2


def test_concurrent_streams(world, scripted, edge, target):
    most = LIMITS["concurrent_streams"]
    body = target.body()
    with world.scripted.doing(never), Connection(target) as connection:
        for stream in range(1, 2 * most + 3, 2):
            length = (b"content-length", b"%d" % len(body))
            connection.send(frames.headers(stream, target.chat(length), ends=False) + frames.data(stream, body))
        connection.until(lambda: connection.resets or connection.closed)
        # The one that is too many is refused, and no other.
        assert list(connection.resets) == [2 * most + 1]


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_header_fields(world, scripted, edge, http2):
    with world.http(edge, http2=http2) as client:
        own = len(client.build_request("POST", CHAT, json=chat_request()).headers) + (2 if http2 else 0)

        def status(fields: int) -> int:
            more = {f"x-{number}": "y" for number in range(fields - own)}
            return client.post(CHAT, json=chat_request(), headers=more).status_code

        # HTTP/2 has four fields for the request line, and none for `host` and `connection`.
        assert status(LIMITS["header_fields"]) == 200
        assert status(LIMITS["header_fields"] + 1) == 431


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_header_list_bytes(world, scripted, edge, http2):
    with world.http(edge, http2=http2) as client:
        assert client.post(CHAT, json=chat_request(), headers={"x-a": "y" * 800}).status_code == 200
        assert client.post(CHAT, json=chat_request(), headers={"x-a": "y" * 2000}).status_code == 431


@pytest.mark.parametrize(
    "limit, frame, reason",
    [
        ("pings_per_minute", frames.ping(), "ping_flood"),
        # The one of the opening counts.
        ("settings_per_minute", frames.settings(), "settings_flood"),
    ],
)
def test_frames_a_minute(edge, target, limit, frame, reason):
    before, spent = refusals(edge, reason), 1
    with Connection(target) as connection:
        # A PING of its own asks whether all is well.
        allowed = LIMITS[limit] - spent
        connection.send(frame * allowed)
        assert connection.answers()
        connection.send(frame * 2)
        connection.until(lambda: connection.cut)
    assert refusals(edge, reason) == before + 1


def test_settings_entries(edge, target):
    most, entry = LIMITS["settings_entries"], (frames.INITIAL_WINDOW_SIZE, 65_535)
    with Connection(target, opening=frames.PREFACE + frames.settings(*[entry] * most)) as connection:
        assert connection.answers()
    with Connection(target, opening=frames.PREFACE + frames.settings(*[entry] * (most + 1))) as connection:
        connection.until_closed()


# MARK: limits towards upstreams


def test_upstream_connections(world, edge):
    waiting, go = threading.Semaphore(0), threading.Event()

    def hold(connection):
        while read_request(connection):
            waiting.release()
            go.wait(30)
            answer(connection)

    with RawUpstream(hold) as upstream:
        model = add_models(world, {"few": {"url": upstream.url()}}, [edge])["few"]
        most = LIMITS["upstream_connections"] * WORKERS
        with concurrent.futures.ThreadPoolExecutor(3 * most) as pool, world.http(edge) as client:
            answers = [
                pool.submit(lambda: world.http(edge).post(CHAT, json=chat_request(model))) for _ in range(3 * most)
            ]
            # All are waiting, either there or in the edge, or already turned away.
            wait_until(lambda: upstream.connections > 0, "the upstream is asked")
            waiting.acquire()
            sent = metric(edge, "strait_edge_requests_total")
            assert sent and client.get("/models").status_code == 200
            go.set()
            got = [one.result() for one in answers]
        assert [(one.status_code, one.content) for one in got] == [(200, GOOD)] * len(got)
        assert upstream.connections <= most


def test_upstream_connect_seconds(world, edge):
    """Of an upstream whose queue of connections is full nothing comes back at all."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = []
    with full, contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            waiting.append(client)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        model = add_models(world, {"full": {"url": url}}, [edge])["full"]
        before = refusals(edge, "upstream_timeout")
        with world.http(edge) as client:
            got = client.post(CHAT, json=chat_request(model))
        assert got.status_code == 504
        # Two seconds, and a sweep's interval; the default would be five.
        assert 2 <= got.elapsed.total_seconds() < 4.5
        assert refusals(edge, "upstream_timeout") == before + 1
        assert world.record(got.headers["x-request-id"])["outcome"] == "upstream_timeout"
