"""An edge's identity through its life: renewed while it runs, ended while it is away, taken from it."""

import asyncio
import datetime
import secrets

import pytest
from devfleet.edges import Edge
from devfleet.ports import Ports, free_port
from devfleet.processes import wait_until
from edge_beside import metric
from replica import replica
from scripted import scripts
from test_crashes import assert_recorded_once
from traffic import Traffic
from world import chat_request

REGION = "us-west"
# What a stored configuration may lie in, besides its own file.
LEFTOVERS = [
    "configuration.snapshot",
    "configuration.snapshot.new",
    "configuration.snapshot.previous",
    "configuration.snapshot.unproved",
    "configuration.snapshot.set-aside",
]


@pytest.fixture
def short_lived(world, tmp_path):
    """A control plane whose certificates for edges are good for seconds."""
    with replica(world, tmp_path, edge_certificate_seconds=15) as control_plane:
        yield control_plane


def edge_of(world, control_plane, folder, region=REGION, **settings) -> Edge:
    ports = Ports(folder)
    return Edge(region, folder / "edge", folder / "logs", ports, control_plane, world.fleet.authority, settings)


@pytest.fixture
def edge(world, short_lived, tmp_path):
    edge = edge_of(world, short_lived, tmp_path)
    yield edge
    if edge.child:
        edge.child.stop()


def row_of(world, edge) -> dict:
    """What the fleet view says of an edge, by the fleet's first control plane."""
    rows = world.fleet.control_plane.operator("edge", "list")
    # Another test's edge, which is gone, may have had the same port.
    rows.sort(key=lambda row: not row["connected"])
    return next((row for row in rows if row["base_url"] == edge.base_url), {})


def end_of(row: dict) -> datetime.datetime:
    return datetime.datetime.fromisoformat(row["certificate_expires_at"])


def has_ended(row: dict) -> bool:
    return end_of(row) < datetime.datetime.now(datetime.timezone.utc)


def serves(world, edge) -> bool:
    return edge.status_of_models(world.key)[0] == 200


def new_token(edge) -> None:
    """The next start of the edge joins again."""
    edge._joined.unlink()


def test_a_certificate_is_renewed_before_its_end_with_a_fresh_key(world, edge):
    edge.start()
    first, key = row_of(world, edge), (edge.data / "identity.key").read_bytes()
    wait_until(lambda: has_ended(first), "the first certificate has ended")
    later = wait_until(
        lambda: (row := row_of(world, edge)) and end_of(row) > end_of(first) and row, "there is a new certificate"
    )
    assert later["id"] == first["id"]
    assert (edge.data / "identity.key").read_bytes() != key
    # A start with the renewed certificate: what was sealed before can be read, and the link opens.
    edge.restart()
    wait_until(lambda: row_of(world, edge)["connected"], "the edge follows again", children=[edge.child])
    assert serves(world, edge)


def test_an_edge_whose_certificate_ended_while_it_was_away_comes_back_as_itself(
    world, edge, short_lived, scripted
):
    edge.start()
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
    before = row_of(world, edge)
    edge.child.stop()
    wait_until(lambda: has_ended(row_of(world, edge)), "its certificate has ended")
    edge.start()
    # It serves on what it has, and says what to do.
    assert serves(world, edge)
    wait_until(
        lambda: "keeps its id, its spool and its configuration" in edge.log.read_text(), "it says what to do"
    )
    with world.http() as client:
        answer = client.post(f"{edge.base_url}/chat/completions", json=chat_request())
    assert answer.status_code == 200
    edge.child.stop()
    new_token(edge)
    edge.start()
    wait_until(lambda: row_of(world, edge).get("connected"), "it is back", children=[edge.child])
    assert row_of(world, edge)["id"] == before["id"]
    assert world.record(answer.headers["x-request-id"])["edge"] == before["id"]


def test_an_evicted_edge_loses_everything_at_once(world, edge, short_lived, scripted):
    edge.start()
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
    evicted = row_of(world, edge)["id"]
    with Traffic(world, edge, clients=2) as traffic:
        traffic.wait_for(20)
    assert_recorded_once(world, traffic.ended)
    # Said to another replica than the one that the edge follows.
    world.fleet.control_plane.operator("edge", "evict", evicted)
    wait_until(lambda: not edge.child.running, "the edge ends")
    assert edge.child.process.returncode > 0
    assert "evicted this edge" in edge.log.read_text()
    assert not kept_configurations(edge)
    assert not row_of(world, edge)
    # As if it had been killed before it had removed all of that.
    for leftover in LEFTOVERS:
        (edge.data / leftover).write_bytes(b"sealed")
    # A start does not serve either, and leaves nothing of the kind.
    edge.launch()
    wait_until(lambda: not edge.child.running, "the edge ends")
    assert edge.child.process.returncode > 0
    assert not kept_configurations(edge)
    # With a new token the machine is a new edge.
    new_token(edge)
    edge.start()
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
    new = row_of(world, edge)["id"]
    assert new != evicted
    # What the old one had recorded is neither shipped again in the new one's name nor missed in it.
    traffic.ended += shipped_again(world, edge)
    assert_recorded_once(world, traffic.ended)
    assert losses_of(world, new) == 0
    assert (edge.data / f"spool.{evicted}").is_dir() and (edge.data / "spool" / "edge").read_text().strip() == new
    assert metric(edge, "strait_edge_spools_set_aside") == 1
    assert "usage records of another edge are set aside" in edge.log.read_text()
    # Once that is settled, nothing of it happens again.
    edge.restart()
    assert (edge.data / "spool" / "edge").read_text().strip() == new
    assert metric(edge, "strait_edge_spools_set_aside") == 1


def test_identity_files_that_were_removed_by_hand_make_a_new_edge_too(world, tmp_path, scripted):
    """As the hints for an identity that is damaged or not known any more say."""
    edge = edge_of(world, world.fleet.control_plane, tmp_path)
    try:
        edge.start()
        wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
        old = row_of(world, edge)["id"]
        with Traffic(world, edge, clients=2) as traffic:
            traffic.wait_for(20)
        assert_recorded_once(world, traffic.ended)
        edge.child.stop()
        for file in edge.data.glob("identity.*"):
            file.unlink()
        new_token(edge)
        edge.start()
        wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
        traffic.ended += shipped_again(world, edge)
        assert_recorded_once(world, traffic.ended)
        assert (edge.data / f"spool.{old}").is_dir()
        assert (edge.data / f"spool.{old}" / "revocations").exists() or not (edge.data / "revocations").exists()
    finally:
        if edge.child:
            edge.child.stop()


def kept_configurations(edge) -> list:
    return sorted(file.name for file in edge.data.glob("configuration.*"))


def losses_of(world, edge_id: str) -> int:
    """Runs of records that the control plane misses of an edge."""
    return len(world.fleet.postgres.query(f"SELECT 1 FROM usage_losses WHERE edge_id = '{edge_id}';"))


def shipped_again(world, edge) -> list[str]:
    """Sends one more exchange and waits for its record: what the spool held before has gone first."""
    with world.http() as client:
        answer = client.post(f"{edge.base_url}/chat/completions", json=chat_request())
    assert answer.status_code == 200
    world.record(answer.headers["x-request-id"])
    return [answer.headers["x-request-id"]]


def test_an_eviction_lets_streams_end_in_peace(world, edge, scripted):
    edge.start()
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
    evicted = row_of(world, edge)["id"]

    def evict():
        world.fleet.control_plane.operator("edge", "evict", evicted)
        wait_until(lambda: "draining" in edge.log.read_text(), "the edge drains")

    async def evict_once(_exchange):
        if "draining" not in edge.log.read_text():
            await asyncio.to_thread(evict)

    with scripted.doing(scripts.chat_stream(pause=evict_once)), world.http() as client:
        answer = client.post(f"{edge.base_url}/chat/completions", json=chat_request(stream=True))
    assert "[DONE]" in answer.text
    wait_until(lambda: not edge.child.running, "the edge ends")


def test_a_private_upstream_exists_in_its_own_region_alone(world, tmp_path):
    control_plane = world.fleet.control_plane
    name = f"cellar-{secrets.token_hex(4)}"
    control_plane.operator(
        "upstream", "add", name, "--region", "eu-west", "--url", world.scripted.url("http1"), "--private",
        "--network", "private",
    )
    prices = ("--input-price", "1", "--output-price", "2")
    control_plane.operator("offer", "add", name, "--upstream", name, "--dialect", "openai", *prices)
    open_name = f"open-{name}"
    control_plane.operator("offer", "add", open_name, "--upstream", "scripted-http1", "--dialect", "openai", *prices)
    for region, edge in world.fleet.edges.items():
        models = wait_until(
            lambda edge=edge: (models := edge.status_of_models(world.key)[1]) and open_name in models and models,
            "the later offer is known everywhere",
        )
        assert (name in models) == (region == "eu-west")


def test_an_edge_with_nothing_gets_the_configuration_from_another_of_its_region(world, tmp_path, scripted):
    """Both enrolled while the control plane was there; then it is gone, and so is what one of them had on disk."""
    control_plane = world.fleet.control_plane
    peer_address = f"127.0.0.1:{free_port()}"
    giver = edge_of(world, control_plane, tmp_path / "giver", peer_listen=peer_address)
    taker = edge_of(world, control_plane, tmp_path / "taker", peers=[peer_address])
    try:
        for edge in (giver, taker):
            edge.start()
            wait_until(lambda edge=edge: serves(world, edge), "it serves", children=[edge.child])
        taker.child.stop()
        (taker.data / "configuration.snapshot").unlink()
        control_plane.child.stop()
        taker.launch()
        wait_until(lambda: serves(world, taker), "it serves what the other one had", children=[taker.child])
        assert "taking the configuration of another edge" in taker.log.read_text()
        with world.http() as client:
            answer = client.post(f"{taker.base_url}/chat/completions", json=chat_request())
        assert answer.status_code == 200
        control_plane.start()
        assert world.record(answer.headers["x-request-id"])["status"] == 200
    finally:
        for edge in (giver, taker):
            if edge.child:
                edge.child.stop()
        if not control_plane.child.running:
            control_plane.start()


def test_the_fleet_view_is_a_table_for_people_and_a_document_for_programs(world):
    control_plane = world.fleet.control_plane
    rows = control_plane.operator("edge", "list")
    assert {row["region"] for row in rows} >= set(world.fleet.edges)
    for row in rows:
        assert {"version", "newest_version", "lag_seconds", "spooled_records", "certificate_expires_at"} <= set(row)
    table = control_plane.run_operator("edge", "list").stdout
    for heading in ("CONFIGURATION", "SPOOLED", "LAST WORD", "CERTIFICATE ENDS"):
        assert heading in table
    assert " ago" in table
