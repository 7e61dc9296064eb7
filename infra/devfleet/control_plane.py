"""Starts a control plane and speaks to it with the operator's own command, as any operator would."""

import json
import os
import pathlib
import ssl
import subprocess
import urllib.error
import urllib.request

from .certificates import DevelopmentAuthority
from .postgres import PrivatePostgres
from .processes import Child, wait_until
from .workplace import FleetError, program, write_private, yaml


class ControlPlane:
    def __init__(
        self,
        folder,
        logs,
        ports,
        postgres: PrivatePostgres,
        authority: DevelopmentAuthority,
        name="control-plane",
        settings: dict | None = None,
    ):
        """`settings` has what the configuration file holds beside the usual."""
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.log = pathlib.Path(logs) / f"{name}.log"
        self.name = name
        self.admin_url = f"https://127.0.0.1:{ports['control-plane-admin']}"
        self.grpc_address = f"127.0.0.1:{ports['control-link']}"
        self.enrolment_address = f"127.0.0.1:{ports['enrolment']}"
        self.child = None
        self.prefix: list = []
        """What starts the program, where it is to see another network."""
        self._postgres = postgres
        self._authority = authority
        self._settings = settings or {}

    @property
    def operator_token_file(self) -> pathlib.Path:
        return self.data / "operator-token"

    @property
    def authority_file(self) -> pathlib.Path:
        """The control plane's own CA, which signs the control link's certificates."""
        return self.data / "control-ca.pem"

    def configuration(self) -> dict:
        certificate, key = self._authority.issue("control-plane")
        return {
            "database_url": self._postgres.url,
            "data_directory": self.data,
            "admin": {
                "listen": self.admin_url.removeprefix("https://"),
                "certificate_file": certificate,
                "private_key_file": key,
            },
            "control_link": {
                "listen": self.grpc_address,
                "enrolment_listen": self.enrolment_address,
                "server_names": ["localhost", "127.0.0.1"],
            },
            **self._settings,
        }

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        configuration = self.folder / "control-plane.yaml"
        write_private(configuration, yaml(self.configuration()))
        command = [*self.prefix, program("control-plane"), "--config", configuration]
        self.child = Child(self.name, command, self.log)
        wait_until(self.ready, "the control plane is ready", children=[self.child])

    def ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self._authority.certificate))
        return answers(f"{self.admin_url}/readyz", context) == 200 and self.operator_token_file.exists()

    # MARK: the operator's command

    def run_operator(self, *arguments) -> subprocess.CompletedProcess:
        environment = {
            **os.environ,
            "STRAIT_ADMIN_URL": self.admin_url,
            "STRAIT_ADMIN_TOKEN_FILE": str(self.operator_token_file),
            "STRAIT_CA_FILE": str(self._authority.certificate),
            "SWIFT_BACKTRACE": "enable=no",
        }
        command = [str(program("strait")), *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
        )

    def operator(self, *arguments):
        """Runs `strait … --json` and returns what it printed, decoded."""
        result = self.run_operator(*arguments, "--json")
        if result.returncode != 0:
            words = " ".join(map(str, arguments[:2]))
            raise FleetError(f"strait {words} failed: {result.stderr.strip()}")
        return json.loads(result.stdout)

    def usage(self, request_id: str) -> list[dict]:
        """The stored usage records of one exchange: none yet, or one."""
        return self.operator("usage", "list", "--request", request_id)


def answers(url: str, context: ssl.SSLContext | None = None) -> int:
    """The HTTP status that a GET gets, 0 when nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0
