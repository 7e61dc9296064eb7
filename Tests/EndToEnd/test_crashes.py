"""kill -9 under traffic, and start again: no record of an exchange that had ended is lost or doubled."""

from collections import Counter

import pytest
from devfleet.processes import wait_until
from traffic import Traffic


@pytest.mark.parametrize("times", [3])
def test_an_edge_that_is_killed(world, scripted, times):
    with Traffic(world, "us-east") as traffic:
        for _ in range(times):
            traffic.wait_for(40)
            world.edge("us-east").restart(kill=True)
        traffic.wait_for(40)
    assert_recorded_once(world, traffic.ended)


def test_a_control_plane_that_is_killed(world, scripted):
    with Traffic(world, "eu-west") as traffic:
        for _ in range(3):
            traffic.wait_for(40)
            world.fleet.control_plane.child.kill()
            traffic.wait_for(40)
            world.fleet.control_plane.start()
        traffic.wait_for(40)
    assert traffic.broken == 0, "the loss of the control plane was noticed by clients"
    assert_recorded_once(world, traffic.ended)


def test_both_at_once(world, scripted):
    with Traffic(world, "ap-southeast") as traffic:
        traffic.wait_for(40)
        world.fleet.control_plane.child.kill()
        world.edge("ap-southeast").restart(kill=True)
        traffic.wait_for(40)
        world.fleet.control_plane.start()
    assert_recorded_once(world, traffic.ended)


def test_a_database_that_is_stopped_and_started(world, scripted):
    with Traffic(world, "us-east") as traffic:
        traffic.wait_for(20)
        world.fleet.postgres.child.stop()
        traffic.wait_for(40)
        world.fleet.postgres.start()
        wait_until(world.fleet.control_plane.ready, "the control plane has its database again")
    assert traffic.broken == 0
    assert_recorded_once(world, traffic.ended)


def test_the_control_the_comparison_notices_loss_and_doubling():
    stored = Counter(["a", "b", "b"])
    assert lost_or_doubled(["a"], stored) == {}
    assert lost_or_doubled(["a", "b", "c"], stored) == {"b": 2, "c": 0}


def assert_recorded_once(world, ended: list[str]) -> None:
    assert len(ended) == len(set(ended)) > 0
    wait_until(lambda: not set(ended) - stored_records(world).keys(), "all records have arrived")
    assert lost_or_doubled(ended, stored_records(world)) == {}


def stored_records(world) -> Counter:
    """How often each exchange stands in the database."""
    rows = world.fleet.postgres.query("SELECT id, count(*) FROM usage_records GROUP BY id;")
    return Counter({row[0]: int(row[1]) for row in rows})


def lost_or_doubled(ended: list[str], stored: Counter) -> dict[str, int]:
    return {request_id: stored[request_id] for request_id in ended if stored[request_id] != 1}
