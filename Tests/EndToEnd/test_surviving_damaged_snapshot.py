"""What an edge keeps of its configuration is damaged while the edge is down: it starts, says so, serves nobody by it, and
serves everybody as soon as it has the control plane's."""

import os
import pathlib
import shutil
import struct
from collections.abc import Callable

import pytest
from devfleet.processes import wait_until
from edge_beside import edge_beside, metric
from test_starts_that_die import SET_ASIDE, live_with_one_and_store_another

HEADER = 32


def truncated(share: float) -> Callable:
    return lambda file: file.write_bytes((whole := file.read_bytes())[: int(len(whole) * share)])


def flipped(place: Callable) -> Callable:
    """One bit, at a place that depends on the file's size."""

    def damage(file: pathlib.Path) -> None:
        content = bytearray(file.read_bytes())
        content[place(len(content))] ^= 0x10
        file.write_bytes(content)

    return damage


def of_a_newer_version(file: pathlib.Path) -> None:
    content = bytearray(file.read_bytes())
    struct.pack_into("<I", content, 8, 99)
    file.write_bytes(content)


def replaced_by_a_folder(file: pathlib.Path) -> None:
    file.unlink()
    file.mkdir()


def unreadable(file: pathlib.Path) -> None:
    """For root too."""
    file.unlink()
    file.symlink_to(file.name)


DAMAGED, NOT_SEALED = "the file is damaged", "not sealed with this edge's key"
# With the words by which the log explains it.
DAMAGES = {
    "empty": (lambda file: file.write_bytes(b""), DAMAGED),
    "truncated in its header": (lambda file: file.write_bytes(file.read_bytes()[:20]), DAMAGED),
    "truncated after its header": (lambda file: file.write_bytes(file.read_bytes()[:HEADER]), DAMAGED),
    "truncated in the middle": (truncated(0.5), DAMAGED),
    "short of a byte": (lambda file: file.write_bytes(file.read_bytes()[:-1]), DAMAGED),
    "longer than it was": (lambda file: file.write_bytes(file.read_bytes() + b"more"), NOT_SEALED),
    "flipped in its magic": (flipped(lambda size: 0), DAMAGED),
    "flipped in what binds its pieces": (flipped(lambda size: 20), NOT_SEALED),
    "flipped in a length": (flipped(lambda size: HEADER + 2), DAMAGED),
    "flipped in a checksum": (flipped(lambda size: HEADER + 5), DAMAGED),
    "flipped at its beginning": (flipped(lambda size: HEADER + 8), DAMAGED),
    "flipped in the middle": (flipped(lambda size: size // 2), DAMAGED),
    "flipped at its end": (flipped(lambda size: size - 1), DAMAGED),
    "of a newer version": (of_a_newer_version, "format 99, of a newer version of this software"),
    "something else": (lambda file: file.write_bytes(os.urandom(4096)), DAMAGED),
    "unreadable": (unreadable, "too many levels of symbolic links"),
    "a folder": (replaced_by_a_folder, "directory"),
}
CANNOT_BE_USED = "the stored configuration cannot be used"


@pytest.fixture
def edge(world, tmp_path):
    with edge_beside(world, tmp_path) as edge:
        wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
        yield edge


def serves(world, edge) -> bool:
    return edge.status_of_models(world.key)[0] == 200


def snapshot_of(edge) -> pathlib.Path:
    return edge.data / "configuration.snapshot"


def log_after(edge, action) -> Callable:
    """What the edge logs from an action on."""
    length = len(edge.log.read_text())
    action()
    return lambda: edge.log.read_text()[length:]


def test_however_it_is_damaged_the_edge_starts_says_so_and_serves(world, edge):
    snapshot = snapshot_of(edge)
    for what, (damage, words) in DAMAGES.items():
        wait_until(snapshot.is_file, "the configuration is on disk", children=[edge.child])
        edge.child.stop()
        damage(snapshot)
        log = log_after(edge, edge.launch)
        wait_until(lambda: serves(world, edge), f"it serves although its file was {what}", children=[edge.child])
        said = next((line for line in log().splitlines() if CANNOT_BE_USED in line), None)
        assert said and words.lower() in said.lower(), (what, said)
        if snapshot.is_dir():
            # That stays for an operator to take away; what is stored afterwards is good again.
            wait_until(lambda: "could not be stored" in log(), "it says that it cannot store")
            shutil.rmtree(snapshot)
    # The control: what was stored last is whole, and a start by it complains of nothing.
    wait_until(snapshot.is_file, "the configuration is on disk", children=[edge.child])
    edge.child.stop()
    log = log_after(edge, edge.launch)
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
    assert CANNOT_BE_USED not in log()


def test_without_a_control_plane_it_waits_and_turns_no_key_away(world, edge):
    """A client that is told 401 gives up; one that finds nobody tries another edge."""
    edge.child.stop()
    flipped(lambda size: size // 2)(snapshot_of(edge))
    world.fleet.control_plane.child.stop()
    try:
        log = log_after(edge, edge.launch)
        wait_until(lambda: CANNOT_BE_USED in log(), "it says so", children=[edge.child])
        wait_until(lambda: "no configuration stream" in log(), "it asks the control plane", children=[edge.child])
        assert not edge.ready()
        assert edge.status_of_models(world.key)[0] in (0, 503)
    finally:
        world.fleet.control_plane.start()
    wait_until(lambda: serves(world, edge), "it serves", children=[edge.child])
    assert edge.ready()


@pytest.mark.parametrize("what", ["truncated in the middle", "flipped at its end", "unreadable"])
def test_without_a_control_plane_it_serves_by_the_one_that_it_lived_with_before(world, edge, what):
    """With what was revoked since, and without what was made since."""
    revoked, new, kept = live_with_one_and_store_another(world, edge)
    damage, words = DAMAGES[what]
    damage(snapshot_of(edge))
    world.fleet.control_plane.child.stop()
    try:
        log = log_after(edge, edge.launch)
        wait_until(lambda: serves(world, edge), "it serves without the control plane", children=[edge.child])
        assert CANNOT_BE_USED in log() and words.lower() in log().lower()
        assert "the edge starts from one that it lived with before" in log()
        assert snapshot_of(edge).read_bytes() == kept and metric(edge, SET_ASIDE) == 1
        assert edge.status_of_models(revoked["key"])[0] == 401
        assert edge.status_of_models(new["key"])[0] == 401
    finally:
        world.fleet.control_plane.start()
    wait_until(lambda: edge.status_of_models(new["key"])[0] == 200, "it is in step again", children=[edge.child])
    assert edge.status_of_models(revoked["key"])[0] == 401
    world.fleet.control_plane.operator("key", "revoke", new["summary"]["public_id"])
