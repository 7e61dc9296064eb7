"""What a running development fleet tells other programs: `.strait/dev.json`; and the lock that keeps it the
only one."""

import fcntl
import json
import os
import pathlib

from .fleet import Fleet
from .workplace import FLEET, FleetError, program, write_private

FACTS = FLEET / "dev.json"


def facts_of(fleet: Fleet, key: str, models: list[str]) -> dict:
    return {
        "ready": True,
        "edges": [
            {
                "region": edge.region,
                "base_url": edge.base_url,
                "admin_url": edge.admin_url,
                "pid": edge.child.pid,
                "data_directory": str(edge.data),
                "configuration_file": str(edge.configuration_file),
            }
            for edge in fleet.edges.values()
        ],
        "control_plane": {
            "admin_url": fleet.control_plane.admin_url,
            "grpc_address": fleet.control_plane.grpc_address,
            "pid": fleet.control_plane.child.pid,
        },
        "ca_file": str(fleet.ca_file),
        "api_key": key,
        "database_url": fleet.postgres.url,
        "models": models,
        "operator_token_file": str(fleet.control_plane.operator_token_file),
        "operator_command": str(program("strait")),
        "providers": {"model_server": fleet.model_server.url, "llmock": fleet.mock_provider.url},
        "logs": str(fleet.logs),
    }


def publish(facts: dict) -> None:
    write_private(FACTS, json.dumps(facts, indent=2) + "\n")


def withdraw() -> None:
    FACTS.unlink(missing_ok=True)


class SoleLauncher:
    """Held for as long as the launcher runs; the kernel lets go of it however the launcher ends."""

    def __init__(self, file: pathlib.Path = FLEET / "dev.lock"):
        file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 20).decode().strip() or "unknown"
            raise FleetError(
                f"a fleet is already up from this checkout (process {holder}); next: use it "
                f"({FACTS}), or end it with Ctrl-C there"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
