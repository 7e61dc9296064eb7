"""One fleet for the whole session, with real parts only: PostgreSQL, control plane, three edges, a real
model, a mock of two providers, and an upstream that does what each test says. All of it on ports of its own,
so that it can run beside a `make run`."""

import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "infra"))

from http_clients import client_of  # noqa: E402
from scripted import WAYS  # noqa: E402
from world import World  # noqa: E402

_failed: list[str] = []


@pytest.fixture(scope="session")
def world():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="strait-end-to-end-"))
    world = World(folder)
    try:
        world.start()
        yield world
    finally:
        world.stop()
        if _failed:
            print(f"\nthe fleet's logs were kept: {world.fleet.logs}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        world.fleet.postgres.remove()


@pytest.fixture
def scripted(world):
    """The scripted upstream, answering well until told otherwise."""
    world.scripted.reset()
    yield world.scripted
    world.scripted.reset()


@pytest.fixture(autouse=True)
def nothing_dies(request):
    """A part that ended unasked fails the test in which it did, and is started again for the next."""
    yield
    if "world" not in request.fixturenames:
        return
    died = request.getfixturevalue("world").revive()
    assert not died, "\n".join(died)


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def http2(request) -> bool:
    return request.param


@pytest.fixture(params=WAYS)
def way(request) -> str:
    """How the edge and the scripted upstream speak."""
    return request.param


@pytest.fixture
def client(world, http2):
    """One connection to the edge, over either protocol."""
    with client_of(world, world.edge(), http2) as client:
        yield client


def pytest_collection_modifyitems(items):
    """A fleet is healthy as long as nobody has let edges come and go."""
    items.sort(key=lambda item: item.path.name != "test_a_healthy_fleet.py")


def pytest_runtest_logreport(report):
    if report.failed:
        _failed.append(report.nodeid)
