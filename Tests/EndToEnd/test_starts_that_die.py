"""An edge that dies of its own stored configuration does not do so for ever: after three starts that nobody asked to end
it sets the file aside, says so, and asks for another one."""

import contextlib
import os
import signal
import socket

import pytest
from devfleet.processes import wait_until
from edge_beside import edge_beside, metric

DEATHS = "strait_edge_configuration_start_deaths"
SET_ASIDE = "strait_edge_configuration_set_aside"


@pytest.fixture
def edge(world, tmp_path):
    with edge_beside(world, tmp_path) as edge:
        wait_until(snapshot_of(edge).is_file, "the configuration is on disk", children=[edge.child])
        edge.child.stop()
        yield edge


def snapshot_of(edge):
    return edge.data / "configuration.snapshot"


def aside_of(edge):
    return edge.data / "configuration.snapshot.set-aside"


def mark_of(edge):
    return edge.data / "configuration.starts"


def serves(world, edge) -> bool:
    return edge.status_of_models(world.key)[0] == 200


def launch_until_marked(edge) -> None:
    """Until the edge has written down that it starts: from then on it builds its tables, and comes up soon after."""
    before = mark_of(edge).stat().st_mtime_ns if mark_of(edge).exists() else 0
    edge.launch()
    wait_until(
        lambda: mark_of(edge).exists() and mark_of(edge).stat().st_mtime_ns > before, "it starts", children=[edge.child]
    )


def die(edge, number) -> None:
    launch_until_marked(edge)
    os.kill(edge.child.pid, number)
    wait_until(lambda: not edge.child.running, "it is dead")
    assert edge.child.process.returncode == -number


def die_three_times(edge) -> bytes:
    before = snapshot_of(edge).read_bytes()
    for number in (signal.SIGILL, signal.SIGABRT, signal.SIGKILL):
        die(edge, number)
    return before


@contextlib.contextmanager
def log_of_launch(edge):
    length = len(edge.log.read_text())
    edge.launch()
    yield lambda: edge.log.read_text()[length:]


def test_after_three_deaths_the_file_is_set_aside_and_another_one_fetched(world, edge):
    before = die_three_times(edge)
    with log_of_launch(edge) as log:
        wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
        assert "the stored configuration is set aside" in log()
        assert "died in 3 starts from it in a row" in log()
    assert aside_of(edge).read_bytes() == before
    assert metric(edge, SET_ASIDE) == 1 and metric(edge, DEATHS) == 0
    wait_until(snapshot_of(edge).is_file, "the new one is on disk", children=[edge.child])
    # An operator takes it away; the next start serves from what was fetched.
    edge.child.stop()
    aside_of(edge).unlink()
    with log_of_launch(edge) as log:
        wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
        assert "set aside" not in log()
    assert metric(edge, SET_ASIDE) == 0


def test_without_a_control_plane_it_says_that_it_serves_nobody(world, edge):
    world.fleet.control_plane.child.stop()
    try:
        die_three_times(edge)
        with log_of_launch(edge) as log:
            wait_until(lambda: "nobody is served until one comes" in log(), "it says so", children=[edge.child])
            assert "nobody is served until the control plane" in log()
        assert not edge.ready() and metric(edge, SET_ASIDE) == 1
        # A client that is told 401 gives up; one that finds nobody tries another edge.
        assert edge.status_of_models(world.key)[0] in (0, 503)
    finally:
        world.fleet.control_plane.start()
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])


def test_the_start_after_a_death_tries_the_file_and_goes_on_with_it(world, edge):
    die(edge, signal.SIGSEGV)
    with log_of_launch(edge) as log:
        wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
        assert "trying the stored configuration first" in log()
    assert metric(edge, DEATHS) == 1 and not aside_of(edge).exists()
    assert metric(edge, "strait_edge_configuration_trials_passed") >= 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_being_stopped_is_no_death(world, edge, number):
    die(edge, signal.SIGKILL)
    for _ in range(4):
        launch_until_marked(edge)
        os.kill(edge.child.pid, number)
        wait_until(lambda: not edge.child.running, "it has ended")
        assert edge.child.process.returncode == 0
    edge.launch()
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
    assert metric(edge, DEATHS) == 1 and not aside_of(edge).exists()


def test_a_port_that_is_taken_is_no_death(world, edge):
    host, port = edge.admin_url.removeprefix("http://").split(":")
    with socket.create_server((host, int(port))):
        for _ in range(4):
            edge.launch()
            wait_until(lambda: not edge.child.running, "it gives up")
            assert edge.child.process.returncode == 1
    edge.launch()
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
    assert metric(edge, DEATHS) == 0 and not aside_of(edge).exists()


def test_an_edge_that_serves_is_proved(world, edge):
    for _ in range(4):
        edge.launch()
        wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
        wait_until(lambda: not mark_of(edge).exists() or not serves(world, edge), "it has served a hundred")
        edge.child.kill()
    edge.launch()
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
    assert metric(edge, DEATHS) == 0 and not aside_of(edge).exists()


def kept_of(edge):
    return edge.data / "configuration.snapshot.previous"


def live_with_one_and_store_another(world, edge) -> tuple[dict, dict, bytes]:
    """Of a running edge. The stored configuration lacks a key that the one before has, and has one that it lacks.

    Returns the revoked key, the new one, and the configuration before. The edge is stopped."""
    operator = world.fleet.control_plane.operator
    revoked = operator("key", "create", "--team", "tests")
    wait_until(lambda: edge.status_of_models(revoked["key"])[0] == 200, "it has the key", children=[edge.child])
    # The first one that is named may be without the key; a hundred exchanges prove each.
    stored = snapshot_of(edge)
    wait_until(
        lambda: serves(world, edge) and kept_of(edge).exists() and kept_of(edge).samefile(stored),
        "what it lives with is kept",
        children=[edge.child],
    )
    kept = kept_of(edge).read_bytes()
    operator("key", "revoke", revoked["summary"]["public_id"])
    new = operator("key", "create", "--team", "tests")
    wait_until(lambda: edge.status_of_models(new["key"])[0] == 200, "it has the new key", children=[edge.child])
    assert edge.status_of_models(revoked["key"])[0] == 401
    wait_until(lambda: not kept_of(edge).samefile(stored), "the newer one is on disk", children=[edge.child])
    edge.child.stop()
    assert kept_of(edge).read_bytes() == kept
    return revoked, new, kept


def test_what_an_edge_lived_with_before_is_started_from_with_what_was_revoked_since(world, edge):
    edge.launch()
    revoked, new, kept = live_with_one_and_store_another(world, edge)
    world.fleet.control_plane.child.stop()
    try:
        before = die_three_times(edge)
        with log_of_launch(edge) as log:
            wait_until(lambda: serves(world, edge), "it serves without the control plane", children=[edge.child])
            assert "the edge starts from one that it lived with before" in log()
        assert aside_of(edge).read_bytes() == before and snapshot_of(edge).read_bytes() == kept
        assert metric(edge, SET_ASIDE) == 1 and metric(edge, DEATHS) == 0
        assert edge.status_of_models(revoked["key"])[0] == 401
        assert edge.status_of_models(new["key"])[0] == 401
    finally:
        world.fleet.control_plane.start()
    wait_until(lambda: edge.status_of_models(new["key"])[0] == 200, "it is in step again", children=[edge.child])
    assert edge.status_of_models(revoked["key"])[0] == 401
    world.fleet.control_plane.operator("key", "revoke", new["summary"]["public_id"])
