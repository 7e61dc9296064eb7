"""An edge's clock is an hour off, forwards or back: it enrols, renews, follows, serves and is counted all the same. Its
records say when things happened by its own clock."""

import datetime
import pathlib
import subprocess

import pytest
from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import wait_until
from edge_beside import metric
from replica import replica
from world import chat_request

REGION = "us-west"
HOUR = datetime.timedelta(hours=1)
SOURCE = pathlib.Path(__file__).parent / "survival" / "wrong_clock.c"
# Long enough to be good at an edge that is an hour ahead, so short that such an edge must renew it at once.
CERTIFICATE_SECONDS = 4500


@pytest.fixture
def control_plane(world, tmp_path):
    with replica(world, tmp_path, edge_certificate_seconds=CERTIFICATE_SECONDS) as control_plane:
        yield control_plane


@pytest.fixture(params=[HOUR, -HOUR], ids=["an hour ahead", "an hour behind"])
def off(request) -> datetime.timedelta:
    return request.param


@pytest.fixture
def edge(world, control_plane, tmp_path, off):
    library = tmp_path / "wrong_clock.so"
    subprocess.run(["g++", "-x", "c", "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
    edge = Edge(
        REGION, tmp_path / "edge", tmp_path / "logs", Ports(tmp_path), control_plane, world.fleet.authority
    )
    edge.prefix = ["env", f"LD_PRELOAD={library}", f"WRONG_CLOCK_SECONDS={int(off.total_seconds())}"]
    edge.start()
    yield edge
    edge.child.stop()


def row_of(control_plane, edge) -> dict:
    rows = control_plane.operator("edge", "list")
    return next((row for row in rows if row["base_url"] == edge.base_url), {})


def log_clock(edge) -> datetime.datetime:
    """When the edge's last line was written, by its own clock."""
    return datetime.datetime.fromisoformat(edge.log.read_text().splitlines()[-1].split()[0])


def test_an_edge_whose_clock_is_wrong_enrols_follows_serves_and_is_counted(world, scripted, control_plane, edge, off):
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs(log_clock(edge) - now - off) < HOUR / 2, "the clock is not wrong"
    wait_until(lambda: row_of(control_plane, edge).get("connected"), "it follows", children=[edge.child])
    key, public_id = world.new_key()
    wait_until(lambda: edge.status_of_models(key)[0] == 200, "a change arrives", children=[edge.child])
    with world.http(edge, key=key) as client:
        answer = client.post("/chat/completions", json=chat_request())
    assert answer.status_code == 200
    record = world.record(answer.headers["x-request-id"])
    assert record["cost_nano_usd"] == 97_500
    started = datetime.datetime.fromisoformat(record["started_at"])
    assert abs(started - now - off) < HOUR / 2, "the record has another clock's time"
    world.fleet.control_plane.operator("key", "revoke", public_id)
    wait_until(lambda: edge.status_of_models(key)[0] == 401, "a revocation arrives", children=[edge.child])
    # From its disk as well.
    edge.restart(kill=True)
    wait_until(lambda: edge.status_of_models(world.key)[0] == 200, "it serves again", children=[edge.child])
    wait_until(lambda: row_of(control_plane, edge).get("connected"), "it follows again", children=[edge.child])
    if off > datetime.timedelta():
        # By its clock two thirds of the certificate's time are over.
        wait_until(lambda: "certificate renewed" in edge.log.read_text(), "it renews", children=[edge.child])
        assert metric(edge, "strait_edge_certificate_expires_timestamp_seconds") > now.timestamp()
