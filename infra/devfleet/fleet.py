"""A fleet put together: its parts in the order in which they need each other, and their end in the reverse
order."""

import os
import pathlib
import shutil

from .catalogue import Catalogue
from .certificates import DevelopmentAuthority
from .control_plane import ControlPlane
from .edges import Edge
from .ports import Ports
from .postgres import PrivatePostgres
from .processes import Child, wait_until
from .providers import MockProvider, ModelServer
from .workplace import write_private

REGIONS = ("us-east", "eu-west", "ap-southeast")


class Fleet:
    def __init__(
        self,
        folder: pathlib.Path,
        *,
        regions: tuple[str, ...] = REGIONS,
        default_ports: dict | None = None,
        edge_settings: dict | None = None,
        control_plane_settings: dict | None = None,
    ):
        """`edge_settings` has, by region, what the configuration files of edges hold beside the usual;
        `control_plane_settings` the same of the control plane."""
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.ports = Ports(folder, default_ports)
        self.authority = DevelopmentAuthority(folder / "certificates")
        self.postgres = PrivatePostgres(folder, self.ports["postgresql"], self.logs / "postgresql.log")
        self.model_server = ModelServer(self.logs, self.ports)
        self.mock_provider = MockProvider(self.logs, self.ports)
        self.control_plane = ControlPlane(
            folder / "control-plane",
            self.logs,
            self.ports,
            self.postgres,
            self.authority,
            settings=control_plane_settings,
        )
        self.edges = {
            region: Edge(
                region,
                folder / f"edge-{region}",
                self.logs,
                self.ports,
                self.control_plane,
                self.authority,
                (edge_settings or {}).get(region),
            )
            for region in regions
        }
        self.catalogue = Catalogue(self.control_plane)

    @property
    def ca_file(self) -> pathlib.Path:
        """The authority that clients of the edges and of the admin API trust."""
        return self.authority.certificate

    @property
    def children(self) -> list[Child]:
        """What runs, in the order of its start."""
        parts = [
            self.postgres,
            self.model_server,
            self.mock_provider,
            self.control_plane,
            *self.edges.values(),
        ]
        return [part.child for part in parts if part.child is not None]

    def start_database(self) -> None:
        """Starts PostgreSQL; a new cluster takes everything away that referred to an older one."""
        self.postgres.start()
        if self.postgres.fresh:
            self.forget_installation()

    def forget_installation(self) -> None:
        for folder in [self.control_plane.folder, *(edge.folder for edge in self.edges.values())]:
            shutil.rmtree(folder, ignore_errors=True)
        for key in self.folder.glob("*-key.txt"):
            key.unlink()

    def start_providers(self) -> None:
        self.model_server.start()
        self.mock_provider.start()

    def wait_for_providers(self) -> None:
        for part in (self.model_server, self.mock_provider):
            wait_until(part.ready, f"{part.child.name} is ready", seconds=120, children=[part.child])

    def provider_credential_file(self) -> pathlib.Path:
        """A made-up credential for the mock provider, so that sealing and handing out credentials is real."""
        file = self.folder / "provider-credential"
        if not file.exists():
            write_private(file, f"mock-{os.urandom(16).hex()}\n")
        return file

    def start_edges(self) -> None:
        for edge in self.edges.values():
            edge.launch()
        for edge in self.edges.values():
            edge.wait_ready()

    def wait_for_configuration(self, key: str, models: set[str]) -> None:
        """Until every edge knows the key and all the models."""
        for edge in self.edges.values():
            wait_until(
                lambda edge=edge: models <= set(edge.status_of_models(key)[1]),
                f"edge {edge.region} has the configuration",
                children=[edge.child],
            )

    def stop(self) -> dict[str, int]:
        """Ends everything, clients of a part before the part. Returns the exit statuses."""
        return {child.name: child.stop() for child in reversed(self.children)}
