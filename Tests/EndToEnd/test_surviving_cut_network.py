"""The way between an edge and its centre is cut, so that both sides know and so that neither does, and healed again.

Clients notice nothing. Either side gives the dead connection up by itself: the settings say within 15 seconds (see
ReplicasTests and KeepaliveTests), and TCP by itself would take a quarter of an hour, or for ever. The edge is held to
that; waits for the other side allow twice the settings, for machines that are busy.
"""

import time

import pytest
from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import wait_until
from replica import Replica, prepare
from test_crashes import assert_recorded_once
from traffic import Traffic

from survival.namespaces import CENTRE, Doors, Way, why_not

REGION = "us-west"
DEADLINE = 15
TWICE_THE_DEADLINE = 2 * DEADLINE
# For a timer that is late on a busy machine, and for the look at the edge's sockets, which takes a process of its own.
MARGIN_SECONDS = 2
GIVEN_UP = "no configuration stream"


class Apart:
    """An edge and a replica, with nothing between them but a way that can be cut."""

    def __init__(self, world, way: Way, doors: Doors, folder):
        fleet, ports = world.fleet, Ports(folder)
        self._world, self.way = world, way
        self.replica = Replica(
            folder / "replica", folder / "logs", ports, fleet.postgres, fleet.authority, "replica-apart"
        )
        self.replica.grpc_address = f"{CENTRE}:{ports['control-link']}"
        self.replica.enrolment_address = f"{CENTRE}:{ports['enrolment']}"
        self.replica.link_settings = {"server_names": [CENTRE]}
        self.replica.prefix = way.centre.prefix
        prepare(self.replica, fleet.control_plane)
        self.edge = Edge(REGION, folder / "edge", folder / "logs", ports, self.replica, fleet.authority)
        self.edge.prefix = way.edge.prefix
        doors.open(fleet.postgres.port, inside=None, outside=way.centre)
        doors.open(ports["control-plane-admin"], inside=way.centre, outside=None)
        doors.open(world.scripted.addresses["http1"], inside=None, outside=way.edge)
        doors.open(ports[f"edge-{REGION}"], inside=way.edge, outside=None)
        doors.open(ports[f"edge-{REGION}-admin"], inside=way.edge, outside=None)

    def start(self) -> None:
        self.replica.start()
        self.edge.start()

    def stop(self) -> None:
        for part in (self.edge, self.replica):
            if part.child:
                part.child.stop()

    @property
    def is_connected(self) -> bool:
        """As the fleet's other control plane sees it."""
        rows = self._world.fleet.control_plane.operator("edge", "list")
        return any(row["connected"] for row in rows if row["base_url"] == self.edge.base_url)

    def times(self, words: str) -> int:
        return self.edge.log.read_text().count(words)


@pytest.fixture
def apart(world, tmp_path):
    if reason := why_not():
        pytest.skip(f"THE NETWORK WAS NOT CUT: {reason}")
    with Way(tmp_path / "namespaces.log") as way, Doors() as doors:
        apart = Apart(world, way, doors, tmp_path)
        try:
            apart.start()
            yield apart
        finally:
            apart.stop()


def test_a_cut_way_is_noticed_by_both_sides_and_by_no_client(world, scripted, apart):
    wait_until(lambda: apart.is_connected, "the edge follows", children=[apart.edge.child])
    with Traffic(world, apart.edge) as traffic:
        for cut in (apart.way.drop, apart.way.unplug):
            traffic.wait_for(20)
            given_up, left = apart.times(GIVEN_UP), apart.replica.log.read_text().count("edge left")
            cut()
            silent_since = time.monotonic()
            made = world.fleet.control_plane.operator("key", "create", "--team", "tests")
            assert cut == apart.way.unplug or apart.way.holds_a_connection(), "it is not half-open"
            wait_until(
                lambda: not apart.way.holds_a_connection(),
                "the edge gives the dead connections up",
                seconds=TWICE_THE_DEADLINE,
            )
            took = time.monotonic() - silent_since
            assert took <= DEADLINE + MARGIN_SECONDS, f"the edge took {took:.1f} s"
            wait_until(
                lambda: apart.replica.log.read_text().count("edge left") > left,
                "the control plane gives the dead connection up",
                seconds=TWICE_THE_DEADLINE,
            )
            assert not apart.is_connected
            # Without a network there is nobody to dial: each attempt fails as it begins.
            wait_until(
                lambda: apart.way.dials() or apart.times(GIVEN_UP) > given_up + 1,
                "the edge dials again",
                seconds=TWICE_THE_DEADLINE,
            )
            assert apart.edge.ready(), "readiness depends on the way to the centre"
            assert apart.edge.status_of_models(made["key"])[0] == 401, "the way was not cut"
            traffic.wait_for(20)
            apart.way.heal()
            wait_until(lambda: apart.is_connected, "the edge follows again", children=[apart.edge.child])
            wait_until(lambda: apart.edge.status_of_models(made["key"])[0] == 200, "the change arrives")
    assert traffic.broken == 0, "clients noticed"
    assert_recorded_once(world, traffic.ended)
