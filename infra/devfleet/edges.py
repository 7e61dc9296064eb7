"""Starts an edge: joins it to its region the first time, then lets it live from its own folder."""

import json
import pathlib
import ssl
import urllib.error
import urllib.request

from .certificates import DevelopmentAuthority
from .control_plane import ControlPlane, answers
from .processes import Child, wait_until
from .workplace import program, write_private, yaml

# Every client of a development fleet has the same address.
ONE_ADDRESS = {
    "connections_per_address": 100_000,
    "new_connections_per_address_per_second": 100_000,
    "offences_per_address": 100_000,
}


class Edge:
    def __init__(
        self,
        region,
        folder,
        logs,
        ports,
        control_plane: ControlPlane,
        authority: DevelopmentAuthority,
        settings: dict | None = None,
    ):
        self.region = region
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.log = pathlib.Path(logs) / f"edge-{region}.log"
        self.address = f"127.0.0.1:{ports[f'edge-{region}']}"
        self.base_url = f"https://{self.address}/v1"
        self.admin_url = f"http://127.0.0.1:{ports[f'edge-{region}-admin']}"
        self.child = None
        self.prefix: list = []
        """What starts the program, where it is to see another network or another clock."""
        self._control_plane = control_plane
        self._authority = authority
        self._settings = settings or {}

    @property
    def configuration_file(self) -> pathlib.Path:
        return self.folder / "edge.yaml"

    def configuration(self) -> dict:
        certificate, key = self._authority.issue(f"edge-{self.region}")
        return {
            "listen": self.address,
            "admin_listen": self.admin_url.removeprefix("http://"),
            "base_url": self.base_url,
            "data_directory": self.data,
            "drain_seconds": 3,
            "tls": {"certificate_file": certificate, "private_key_file": key},
            "control_plane": {
                "address": self._control_plane.grpc_address,
                "enrolment_address": self._control_plane.enrolment_address,
                "authority_file": self._control_plane.authority_file,
            },
            **self._settings,
            "limits": {**ONE_ADDRESS, **self._settings.get("limits", {})},
        }

    @property
    def _joined(self) -> pathlib.Path:
        return self.folder / "joined"

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self.configuration_file, yaml(self.configuration()))
        command = [*self.prefix, program("edge-node"), "--config", self.configuration_file]
        environment = {}
        if not self._joined.exists():
            invitation = self._control_plane.operator("edge", "invite", "--region", self.region)
            # Not as an argument: the process list shows those to everybody.
            environment["STRAIT_JOIN_TOKEN"] = invitation["token"]
        self.child = Child(f"edge {self.region}", command, self.log, environment=environment)

    def wait_ready(self) -> None:
        """Until it serves; from then on it needs no token."""
        wait_until(self.ready, f"edge {self.region} is ready", children=[self.child])
        self._joined.touch()

    def ready(self) -> bool:
        return answers(f"{self.admin_url}/readyz") == 200

    def metrics(self) -> dict[str, float]:
        """What the admin port says, by name with labels."""
        with urllib.request.urlopen(f"{self.admin_url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}

    def restart(self, *, kill=False) -> None:
        self.child.kill() if kill else self.child.stop()
        self.start()

    def status_of_models(self, key: str) -> tuple[int, list[str]]:
        """What `GET /v1/models` says to a key: the status, and the models on a 200."""
        request = urllib.request.Request(
            f"{self.base_url}/models", headers={"authorization": f"Bearer {key}"}
        )
        context = ssl.create_default_context(cafile=str(self._authority.certificate))
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, [model["id"] for model in json.load(answer)["data"]]
        except urllib.error.HTTPError as error:
            return error.code, []
        except OSError:
            return 0, []
