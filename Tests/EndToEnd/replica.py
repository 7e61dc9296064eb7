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


@contextlib.contextmanager
def replica(world: World, folder, **link_settings):
    fleet = world.fleet
    another = Replica(
        folder / "replica", folder / "logs", Ports(folder / "replica-ports"), fleet.postgres, fleet.authority, "replica"
    )
    another.link_settings = link_settings
    another.data.mkdir(parents=True)
    # What an operator copies to every replica, and the token by which this test speaks to it.
    for name in ("key-encryption-key", "operator-token"):
        shutil.copy(fleet.control_plane.data / name, another.data / name)
    try:
        another.start()
        yield another
    finally:
        if another.child:
            another.child.stop()
