"""The database is killed, then the control plane too, and both stay away until every edge has asked in vain many times.
Clients notice nothing, usage is counted exactly once afterwards, and the edges come to what was changed."""

import contextlib

from devfleet.edges import Edge
from devfleet.processes import wait_until
from devfleet.workplace import FleetError
from test_crashes import assert_recorded_once
from traffic import Traffic

GIVEN_UP = "no configuration stream"
# Beyond the longest of an edge's waits, which it reaches with its fifth attempt.
MANY_TIMES = 6


class Everywhere:
    """Traffic at every edge of the fleet."""

    def __init__(self, world):
        self._all = [Traffic(world, region, clients=2) for region in world.fleet.edges]
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        for traffic in self._all:
            self._stack.enter_context(traffic)
        return self

    def __exit__(self, *_):
        self._stack.close()

    def wait_for(self, more: int) -> None:
        for traffic in self._all:
            traffic.wait_for(more)

    @property
    def broken(self) -> int:
        return sum(traffic.broken for traffic in self._all)

    @property
    def ended(self) -> list[str]:
        return [one for traffic in self._all for one in traffic.ended]


def attempts(edge: Edge) -> int:
    return edge.log.read_text().count(GIVEN_UP)


def in_vain(world, times: int) -> None:
    """Until every edge has asked so many times more."""
    before = {edge: attempts(edge) for edge in world.fleet.edges.values()}
    for edge, already in before.items():
        wait_until(
            lambda edge=edge, already=already: attempts(edge) >= already + times,
            "the edge asks again and again",
            seconds=120,
            children=[edge.child],
        )


def start_database(world) -> None:
    """A killed one's sessions end by themselves, and only then can another one start."""

    def started() -> bool:
        try:
            world.fleet.postgres.start()
        except FleetError:
            return False
        return True

    wait_until(started, "the database starts", every=0.5)


def knows_a_new_key(world, edges) -> None:
    made = world.fleet.control_plane.operator("key", "create", "--team", "tests")
    for edge in edges:
        wait_until(lambda edge=edge: edge.status_of_models(made["key"])[0] == 200, "an edge knows the key")


def test_database_and_control_plane_are_gone_for_long(world, scripted):
    fleet = world.fleet
    with Everywhere(world) as traffic:
        traffic.wait_for(10)
        fleet.postgres.child.kill()
        traffic.wait_for(20)
        wait_until(lambda: not fleet.control_plane.ready(), "the control plane knows that it has no database")
        assert fleet.control_plane.child.running, "the control plane died of its database's end"
        assert all(edge.ready() for edge in fleet.edges.values())
        fleet.control_plane.child.kill()
        in_vain(world, MANY_TIMES)
        traffic.wait_for(20)
        assert all(edge.ready() for edge in fleet.edges.values())
        start_database(world)
        fleet.control_plane.start()
        knows_a_new_key(world, fleet.edges.values())
        traffic.wait_for(10)
    assert traffic.broken == 0, "clients noticed"
    assert_recorded_once(world, traffic.ended)


def test_the_database_alone_is_gone_for_long_and_the_control_plane_needs_no_restart(world, scripted):
    fleet = world.fleet
    started = fleet.control_plane.child.pid
    with Everywhere(world) as traffic:
        traffic.wait_for(10)
        fleet.postgres.child.kill()
        in_vain(world, 3)
        traffic.wait_for(20)
        assert all(edge.ready() for edge in fleet.edges.values())
        start_database(world)
        wait_until(fleet.control_plane.ready, "the control plane has its database again")
        knows_a_new_key(world, fleet.edges.values())
        traffic.wait_for(10)
    assert fleet.control_plane.child.running and fleet.control_plane.child.pid == started
    assert traffic.broken == 0, "clients noticed"
    assert_recorded_once(world, traffic.ended)
