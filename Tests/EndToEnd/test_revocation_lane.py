"""What is taken away goes ahead of the configuration: revoked keys and suspended teams, through restarts too."""

import contextlib
import time

import pytest
from devfleet.catalogue import Offer
from devfleet.control_plane import answers
from devfleet.processes import wait_until
from devfleet.workplace import FleetError
from scripted import scripts
from test_revocation import read_until_cut, revoke
from world import INPUT_PRICE, OUTPUT_PRICE, chat_request


@pytest.fixture
def team(world):
    """A team of its own for a test, with a key that every edge knows."""
    name = f"lane-{len(world.fleet.control_plane.operator('team', 'list'))}"
    world.fleet.control_plane.operator("team", "create", name)
    yield name
    world.fleet.control_plane.operator("key", "revoke", "--team", name, "--confirm", good_keys(world, name))


def new_key(world, team) -> tuple[str, str]:
    document = world.fleet.control_plane.operator("key", "create", "--team", team)
    for edge in world.fleet.edges.values():
        wait_until(lambda edge=edge: edge.status_of_models(document["key"])[0] == 200, "the edges know a new key")
    return document["key"], document["summary"]["public_id"]


def good_keys(world, team) -> int:
    keys = world.fleet.control_plane.operator("key", "list", "--team", team)
    suspended = {one["name"]: one["suspended"] for one in world.fleet.control_plane.operator("team", "list")}
    return 0 if suspended[team] else sum("revoked_at" not in key for key in keys)


def ahead(edge) -> int:
    """How many revocations the edge enforces that its configuration does not hold."""
    return metric(edge, "strait_edge_revocations_ahead")


def metric(edge, name) -> int:
    return int(edge.metrics()[name])


@contextlib.contextmanager
def disk_keeps_its_snapshot(edge):
    """The edge cannot replace its stored configuration meanwhile: what it writes first is in the way."""
    obstacle = edge.data / "configuration.snapshot.new"
    obstacle.mkdir()
    try:
        yield
    finally:
        obstacle.rmdir()


def of_the_fleet(world, missing: list[dict]) -> list[dict]:
    """Without the edges that other tests had, which are away for good."""
    addresses = {edge.base_url for edge in world.fleet.edges.values()}
    rows = world.fleet.control_plane.operator("edge", "list")
    ours = {row["id"] for row in rows if row["base_url"] in addresses}
    return [one for one in missing if one["edge"] in ours]


def test_who_waits_for_a_revocation_finds_the_key_refused_at_every_edge(world):
    key, public_id = world.new_key()
    result = world.fleet.control_plane.operator("key", "revoke", public_id, "--wait")
    assert [edge.status_of_models(key)[0] for edge in world.fleet.edges.values()] == [401] * 4
    (revocation,) = result["revocations"]
    assert of_the_fleet(world, revocation["missing"]) == []
    # The list ends with the hundredth.
    missing = revocation["edges"] - revocation["in_force"]
    assert len(revocation["missing"]) == min(missing, 100)
    assert revocation["in_force"] >= 4
    listed = world.fleet.control_plane.operator("revocation", "list")
    assert listed[0]["key_public_id"] == public_id


def test_a_suspended_team_is_refused_and_its_streams_are_cut_until_it_is_resumed(world, team, scripted, http2):
    key, _ = new_key(world, team)
    operator = world.fleet.control_plane.operator
    with scripted.doing(scripts.endless()), world.http(key=key, http2=http2) as client:
        with client.stream("POST", "/chat/completions", json=chat_request(stream=True)) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            assert operator("team", "suspend", team, "--wait")["team"]["suspended"] is True
            seen = read_until_cut(pieces, time.monotonic())
        assert b"[DONE]" not in seen
        assert client.post("/chat/completions", json=chat_request()).status_code == 401
    assert [edge.status_of_models(key)[0] for edge in world.fleet.edges.values()] == [401] * 4
    operator("team", "resume", team)
    for edge in world.fleet.edges.values():
        wait_until(lambda edge=edge: edge.status_of_models(key)[0] == 200, "the team is served again")
        wait_until(lambda edge=edge: ahead(edge) == 0, "the edge needs no revocation beside its configuration")


def test_a_stream_is_cut_ahead_of_the_configuration_that_holds_it_too(world, scripted):
    """The revocation's version waits behind a watched one for seconds; the lane waits for nothing."""
    key, public_id = world.new_key()
    with scripted.doing(scripts.endless()), world.http(key=key, http2=True) as client:
        with client.stream("POST", "/chat/completions", json=chat_request(stream=True)) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            world.fleet.catalogue.add_offers([Offer("held-up", "scripted-http1", "openai", INPUT_PRICE, OUTPUT_PRICE)])
            revoked = revoke(world, public_id)
            assert b"[DONE]" not in read_until_cut(pieces, revoked)
            assert ahead(world.edge()) == 1, "the configuration does not hold it yet"
    wait_until(lambda: ahead(world.edge()) == 0, "the configuration has come", seconds=60)


def test_more_than_a_fifth_of_the_keys_go_only_when_somebody_says_so_twice(world, team):
    operator = world.fleet.control_plane.operator
    keys = [operator("key", "create", "--team", team) for _ in range(12)]
    with pytest.raises(FleetError, match="(?s)more than a fifth.*--confirm 12"):
        operator("team", "suspend", team)
    with pytest.raises(FleetError, match="(?s)more than a fifth.*--confirm 12"):
        operator("key", "revoke", "--team", team)
    with pytest.raises(FleetError, match="11 keys are confirmed, but 12 would go"):
        operator("key", "revoke", "--team", team, "--confirm", 11)
    last = keys[-1]["key"]
    wait_until(lambda: world.edge().status_of_models(last)[0] == 200, "nothing has gone so far")
    result = operator("key", "revoke", "--team", team, "--confirm", 12, "--wait")
    assert result["revoked_keys"] == 12
    assert len(result["revocations"]) == 1, "a whole team is one revocation, not one for each key"
    assert {world.edge().status_of_models(one["key"])[0] for one in keys} == {401}
    # A key made afterwards is good: it is in a version behind the revocation's.
    new_key(world, team)


def test_a_revocation_outlives_the_edge_and_the_control_plane(world):
    """The edge's disk has a configuration that still knows the key, and the revocation beside it."""
    edge = world.edge("eu-west")
    key, public_id = world.new_key()
    other, _ = world.new_key()
    # In order, so that its disk has them.
    edge.restart()
    with disk_keeps_its_snapshot(edge):
        world.fleet.control_plane.operator("key", "revoke", public_id, "--wait")
        world.fleet.control_plane.child.kill()
        edge.restart(kill=True)
        assert edge.status_of_models(key)[0] == 401
        assert ahead(edge) == 1, "the stored configuration still has the key"
        assert edge.status_of_models(other)[0] == 200
        world.fleet.control_plane.start()
        # The configuration without the key arrives, and does the refusing from then on.
        wait_until(lambda: ahead(edge) == 0, "the configuration has come")
        assert edge.status_of_models(key)[0] == 401
    # What is on the disk afterwards refuses it as well.
    world.new_key()
    edge.restart(kill=True)
    assert edge.status_of_models(key)[0] == 401


def test_an_edge_that_was_away_learns_of_it_at_its_return(world):
    edge = world.edge("eu-west")
    key, public_id = world.new_key()
    edge.child.stop()
    result = world.fleet.control_plane.operator("key", "revoke", public_id)
    edge.start()
    number = str(result["revocations"][0]["number"])

    def missing():
        listed = world.fleet.control_plane.operator("revocation", "list")
        return of_the_fleet(world, next(one["missing"] for one in listed if str(one["number"]) == number))

    wait_until(lambda: not missing(), "every edge has it in force")
    assert edge.status_of_models(key)[0] == 401


def test_the_lane_comes_back_with_the_control_plane(world):
    key, public_id = world.new_key()
    world.fleet.control_plane.child.kill()
    world.fleet.control_plane.start()
    world.fleet.control_plane.operator("key", "revoke", public_id, "--wait")
    assert [edge.status_of_models(key)[0] for edge in world.fleet.edges.values()] == [401] * 4


def test_what_an_edge_stores_of_it_holds_no_key(world):
    edge = world.edge("eu-west")
    key, public_id = world.new_key()
    world.fleet.control_plane.operator("key", "revoke", public_id, "--wait")
    stored = (edge.data / "revocations").read_bytes()
    assert stored.startswith(b"STRREVOC")
    assert key.encode() not in stored and public_id.encode() not in stored
    assert (edge.data / "revocations").stat().st_mode & 0o077 == 0
    assert answers(f"{edge.admin_url}/readyz") == 200
