"""One more control plane on the fleet's database, with settings of a test's own."""

import contextlib
import shutil

from devfleet.control_plane import ControlPlane
from devfleet.ports import Ports
from world import World


class Replica(ControlPlane):
    link_settings: dict = {}

    def configuration(self) -> dict:
        document = super().configuration()
        document["control_link"] |= self.link_settings
        return document


def prepare(another: ControlPlane, first: ControlPlane) -> None:
    """Gives it what an operator copies to every replica, and the token by which tests speak to it."""
    another.data.mkdir(parents=True)
    for name in ("key-encryption-key", "operator-token"):
        shutil.copy(first.data / name, another.data / name)


@contextlib.contextmanager
def replica(world: World, folder, **link_settings):
    fleet = world.fleet
    another = Replica(
        folder / "replica", folder / "logs", Ports(folder / "replica-ports"), fleet.postgres, fleet.authority, "replica"
    )
    another.link_settings = link_settings
    prepare(another, fleet.control_plane)
    try:
        another.start()
        yield another
    finally:
        if another.child:
            another.child.stop()
