"""What an operator sees: metrics that add up, and a log of metadata that holds nothing else."""

import asyncio
import contextlib
import json
import re
import threading
import urllib.request

import httpx
import pytest
from devfleet.processes import wait_until
from edge_beside import connect, edge_beside, metric
from scripted import scripts
from test_certificates import resumes, ticket
from upstream_models import add_models
from world import chat_request

FIELDS = {
    *("time", "id", "team", "key", "offer", "upstream", "path", "protocol", "streamed", "outcome", "status"),
    *("upstream_status", "attempts", "duration_us", "first_byte_us", "request_bytes", "response_bytes"),
    *("input_tokens", "output_tokens"),
}


def ask(world, edge, count: int, content="Hello", model="scripted") -> list[str]:
    headers = {"authorization": f"Bearer {world.key}"}
    with httpx.Client(base_url=edge.base_url, verify=world.trust, headers=headers) as client:
        answers = [
            client.post("/chat/completions", json=chat_request(model, number % 2 == 0, content))
            for number in range(count)
        ]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.headers["x-request-id"] for answer in answers]


def lines(file) -> list[dict]:
    """Those that have been written to their end."""
    return [json.loads(line) for line in file.read_text().split("\n")[:-1]] if file.exists() else []


def test_each_exchange_is_a_line_of_metadata(world, tmp_path, scripted):
    file = tmp_path / "access.log"
    with edge_beside(world, tmp_path, access_log={"file": file}) as edge:
        ids = ask(world, edge, 20, content="canary-in-a-prompt")
        wait_until(lambda: len(lines(file)) == 20, "all lines are there")
        assert [line["id"] for line in lines(file)] == ids
        assert all(set(line) == FIELDS for line in lines(file))
        assert {line["outcome"] for line in lines(file)} == {"completed"}
        text = file.read_text()
        assert "canary" not in text and "127.0.0.1" not in text and world.key.split("-")[-1] not in text
        assert file.stat().st_mode & 0o077 == 0

        file.rename(tmp_path / "rotated.log")
        ask(world, edge, 4)
        wait_until(lambda: len(lines(file)) == 4, "a moved file is followed by a new one")
        wait_until(lambda: metric(edge, "strait_edge_access_log_lines") == 24, "they are counted")
        ask(world, edge, 1)
    assert len(lines(file)) == 5, "what waits is written before the end"


def test_a_sampled_log_has_a_part(world, tmp_path, scripted):
    file = tmp_path / "access.log"
    with edge_beside(world, tmp_path, access_log={"file": file, "sample": 1_000_000}) as edge:
        ask(world, edge, 20)
    assert len(lines(file)) < 20


def test_without_the_setting_there_is_no_log(world, tmp_path, scripted):
    with edge_beside(world, tmp_path) as edge:
        ask(world, edge, 2)
        assert metric(edge, "strait_edge_access_log_lines") == 0
        assert not list(tmp_path.rglob("access*"))


def test_a_log_that_cannot_be_written_stops_nobody(world, tmp_path, scripted):
    folder = tmp_path / "logs-of-access"
    folder.mkdir()
    file = folder / "access.log"
    with edge_beside(world, tmp_path, access_log={"file": file}) as edge:
        file.unlink()
        folder.rmdir()
        ask(world, edge, 5)
        wait_until(lambda: metric(edge, "strait_edge_access_log_dropped") == 5, "the lost lines are counted")


def test_metrics_add_up(world, tmp_path, scripted):
    with edge_beside(world, tmp_path) as edge:
        ask(world, edge, 24)
        assert resumes(world, edge, ticket(world, edge))
        assert metric(edge, "strait_edge_requests_total") == 26
        assert metric(edge, "strait_edge_usage_records_total") == 24
        assert metric(edge, "strait_edge_time_to_first_byte_seconds_count") == 24
        assert metric(edge, "strait_edge_tls_handshakes_total") == 3
        assert metric(edge, "strait_edge_tls_resumptions_total") == 1
        assert metric(edge, "strait_edge_memory_bytes") > 1 << 20
        assert metric(edge, "strait_edge_loop_turn_seconds_count") > 24
        assert metric(edge, "strait_edge_loop_turn_longest_seconds") > 0


EVENT = scripts.chat_events("scripted", ["Hello"], None, done=False)[0]
REFUSED = {"error": {"message": "no"}}


async def half_of_a_document(exchange):
    await exchange.head(200, {"content-type": "application/json"}, framing="length", length=1000)
    await exchange.write(b'{"choices": [')
    await exchange.cut()


@pytest.mark.parametrize(
    ("script", "fails"),
    [
        pytest.param(scripts.chat_stream(), False, id="a whole answer"),
        pytest.param(scripts.error(400, REFUSED), False, id="the client's fault"),
        pytest.param(scripts.error(401, REFUSED), True, id="the credential's fault"),
        pytest.param(scripts.error(500, REFUSED), True, id="the upstream's fault"),
        pytest.param(scripts.cut_before_head(), True, id="no answer"),
        pytest.param(scripts.cut_after([EVENT]), True, id="a stream that breaks off"),
        pytest.param(scripts.end_after([EVENT]), True, id="a stream that ends early"),
        pytest.param(half_of_a_document, True, id="a document that breaks off"),
    ],
)
def test_what_a_rollout_counts_as_failed(world, one_edge, scripted, script, fails):
    ended, failed = counted(one_edge)
    judged, judged_failed = counted(one_edge, "judged", "judged_failed")
    with scripted.doing(script):
        stream_of(world, one_edge, lambda answer: answer.read())
    wait_until(lambda: counted(one_edge)[0] == ended + 1, "it has ended")
    assert counted(one_edge) == (ended + 1, failed + fails)
    assert counted(one_edge, "judged", "judged_failed") == (judged + 1, judged_failed + fails)


def test_a_client_that_leaves_has_not_failed(world, one_edge, scripted):
    ended, failed = counted(one_edge)
    with scripted.doing(scripts.endless()):
        stream_of(world, one_edge, lambda answer: next(answer.iter_raw()))
        wait_until(lambda: counted(one_edge)[0] == ended + 1, "it has ended")
    assert counted(one_edge) == (ended + 1, failed)


def test_what_began_under_other_offers_is_not_judged(world, one_edge, scripted):
    """A stream that breaks off when its edge has another version."""
    go = threading.Event()

    async def break_off(exchange):
        await exchange.head(200, scripts.EVENTS)
        await exchange.write(EVENT.encode())
        await scripts.when(go)(exchange)
        await exchange.cut()

    def change(answer):
        parts = answer.iter_raw()
        next(parts)
        # What is new is served, so what is under way has become old.
        add_models(world, {"newer": {"url": scripted.url("http1")}}, [one_edge])
        go.set()
        for _ in parts:
            pass

    failed, judged = counted(one_edge, "failed", "judged_failed")
    with scripted.doing(break_off):
        stream_of(world, one_edge, change)
    wait_until(lambda: counted(one_edge, "failed") == (failed + 1,), "it has ended")
    assert counted(one_edge, "judged_failed") == (judged,)


def test_who_has_no_key_does_not_count(world, one_edge):
    before = counted(one_edge)
    assert httpx.get(f"{one_edge.base_url}/models", verify=world.trust).status_code == 401
    assert counted(one_edge) == before


@pytest.fixture(scope="module")
def one_edge(world, tmp_path_factory):
    with edge_beside(world, tmp_path_factory.mktemp("observed")) as edge:
        yield edge


def counted(edge, *kinds) -> tuple[float, ...]:
    """Exchanges that have ended, and how many of them failed; or of other kinds."""
    return tuple(metric(edge, f"strait_edge_exchanges_{kind}_total") for kind in kinds or ("ended", "failed"))


def stream_of(world, edge, take) -> None:
    headers = {"authorization": f"Bearer {world.key}"}
    with httpx.Client(base_url=edge.base_url, verify=world.trust, headers=headers) as client:
        with contextlib.suppress(httpx.TransportError):
            with client.stream("POST", "/chat/completions", json=chat_request(stream=True)) as answer:
                take(answer)


def test_the_pools_are_shown_by_upstream(world, tmp_path, scripted):
    def state(kind):
        return metric(edge, f"strait_edge_upstream_{kind}", upstream="scripted-http2")

    with edge_beside(world, tmp_path, workers=1) as edge:
        ask(world, edge, 1, model="scripted-http2")
        wait_until(lambda: (state("connections"), state("connections_idle")) == (1, 1), "it waits, connected")
        assert state("requests_waiting") == 0


def test_what_an_upstream_takes_is_not_the_edges_own(world, tmp_path, scripted):
    """An upstream that thinks for a second has a late first byte; the edge's own part stays small."""
    async def slowly(exchange):
        await asyncio.sleep(1)
        await scripts.chat()(exchange)

    with edge_beside(world, tmp_path) as edge, scripted.doing(slowly):
        # One exchange in eight is timed: that none of 60 is happens once in 3,000 times.
        wait_until(
            lambda: ask(world, edge, 1) and metric(edge, "strait_edge_added_latency_seconds_count") > 0,
            "an exchange was timed",
            seconds=100,
        )
        timed = metric(edge, "strait_edge_added_latency_seconds_count")
        first = metric(edge, "strait_edge_time_to_first_byte_seconds_count")
        assert metric(edge, "strait_edge_time_to_first_byte_seconds_sum") >= first
        assert metric(edge, "strait_edge_added_latency_seconds_sum") < timed


def test_the_metrics_are_prometheus_text(world, tmp_path):
    with edge_beside(world, tmp_path) as edge:
        connect(world, edge).close()
        with urllib.request.urlopen(f"{edge.admin_url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    value = r'[a-z_]+(\{[a-z]+="[^"{}]*"\})? (\+Inf|\d+(\.\d+)?(e[+-]\d+)?)'
    kind = r"# TYPE [a-z_]+ (counter|gauge|histogram)"
    for line in text.splitlines():
        assert re.fullmatch(f"{value}|{kind}", line), line
    assert 'le="+Inf"' in text
    names = re.findall(r"# TYPE (\S+)", text)
    assert len(names) == len(set(names)), "each metric is declared once"
