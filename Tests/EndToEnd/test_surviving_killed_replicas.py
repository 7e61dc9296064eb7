"""Three replicas of the control plane on one database are killed in turn while keys come and go and clients ask. Edges
that know the addresses of all three go from one to the next: every change arrives, and usage is counted once."""

import contextlib

import pytest
from devfleet.control_plane import ControlPlane
from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import wait_until
from replica import replica
from test_crashes import assert_recorded_once
from traffic import Traffic

REGIONS = ("us-west", "eu-west")


@pytest.fixture
def replicas(world, tmp_path):
    with replica(world, tmp_path / "b") as second, replica(world, tmp_path / "c") as third:
        yield [world.fleet.control_plane, second, third]


@pytest.fixture
def edges(world, replicas, tmp_path):
    control_plane = {
        "address": [one.grpc_address for one in replicas],
        "enrolment_address": [one.enrolment_address for one in replicas],
        "authority_file": world.fleet.control_plane.authority_file,
    }
    with contextlib.ExitStack() as stack:
        edges = []
        for region in REGIONS:
            folder = tmp_path / region
            edge = Edge(
                region,
                folder / "edge",
                folder / "logs",
                Ports(folder),
                world.fleet.control_plane,
                world.fleet.authority,
                {"control_plane": control_plane},
            )
            stack.callback(lambda edge=edge: edge.child and edge.child.stop())
            edge.start()
            edges.append(edge)
        yield edges


def all_see(edges: list[Edge], key: str, status: int, what: str) -> None:
    for edge in edges:
        wait_until(lambda edge=edge: edge.status_of_models(key)[0] == status, what, children=[edge.child])


def change(at: list[ControlPlane], edges: list[Edge], standing: list) -> None:
    """A key made at one replica, and the one before revoked at another: every edge sees both."""
    made = at[0].operator("key", "create", "--team", "tests")
    all_see(edges, made["key"], 200, "an edge knows the key that was made")
    if standing:
        former = standing.pop()
        at[-1].operator("key", "revoke", former["summary"]["public_id"])
        all_see(edges, former["key"], 401, "an edge refuses the key that was revoked")
    standing.append(made)


def test_every_change_arrives_and_usage_is_counted_once(world, scripted, replicas, edges):
    standing: list = []
    with contextlib.ExitStack() as stack:
        traffics = [stack.enter_context(Traffic(world, edge, clients=3)) for edge in edges]
        for victim in replicas:
            alive = [one for one in replicas if one is not victim]
            for traffic in traffics:
                traffic.wait_for(10)
            victim.child.kill()
            change(alive, edges, standing)
            victim.start()
            change([victim, *alive], edges, standing)
    for edge, traffic in zip(edges, traffics):
        assert traffic.broken == 0, "clients noticed"
        assert "no configuration stream" in edge.log.read_text(), "the edge was never moved"
        assert_recorded_once(world, traffic.ended)


def test_an_edge_enrols_at_the_replica_that_is_there(world, replicas, tmp_path):
    """All but one of the addresses lead nowhere."""
    last = replicas[-1]
    gone = ["127.0.0.1:1", "127.0.0.1:2"]
    control_plane = {
        "address": [*gone, last.grpc_address],
        "enrolment_address": [*gone, last.enrolment_address],
        "authority_file": last.authority_file,
    }
    edge = Edge(
        "us-west", tmp_path / "edge", tmp_path / "logs", Ports(tmp_path), last, world.fleet.authority,
        {"control_plane": control_plane},
    )
    try:
        edge.start()
        all_see([edge], world.key, 200, "it serves")
    finally:
        edge.child.stop()
