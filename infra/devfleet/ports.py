"""Ports on loopback: well-known ones for people, any free ones for tests.

The providers' ports are written into the control plane's database, so those are kept from run to run. The
others are the well-known ones whenever those are free.
"""

import json
import pathlib
import random
import socket

DEFAULTS = {
    "control-plane-admin": 8440,
    "edge-us-east": 8441,
    "edge-eu-west": 8442,
    "edge-ap-southeast": 8443,
    "control-link": 8450,
    "enrolment": 8451,
    "postgresql": 8455,
    "model-server": 8460,
    "llmock": 8461,
    "edge-us-east-admin": 9441,
    "edge-eu-west-admin": 9442,
    "edge-ap-southeast-admin": 9443,
}


KEPT = {"model-server", "llmock"}

_given: set[int] = set()
"""What this process had given out: whoever is known by its port, as edges are, must not be taken for another."""


class Ports:
    def __init__(self, folder: pathlib.Path, defaults: dict | None = None):
        """`defaults` are tried first; without them every port is any free one."""
        self._file = folder / "ports.json"
        self._defaults = defaults or {}
        self._taken = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._confirmed = set()
        self.moved = []
        """The names whose remembered port belongs to another program now."""

    def __getitem__(self, name: str) -> int:
        if name in self._confirmed:
            return self._taken[name]
        known, default = self._taken.get(name, 0), self._defaults.get(name, 0)
        wanted = [known, default] if name in KEPT else [default, known]
        others = {port for other, port in self._taken.items() if other != name}
        port = _free_port(wanted, others)
        if known and port != known and name in KEPT:
            self.moved.append(name)
        self._taken[name] = port
        self._confirmed.add(name)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._taken, indent=2) + "\n")
        return port


def free_port() -> int:
    return _free_port([], set())


def _free_port(wanted: list[int], spoken_for: set[int]) -> int:
    """The first of `wanted` that is free, or any other; 0 in it means no wish."""
    for candidate in (*filter(None, wanted), *_any_ports(), *[0] * 20):
        with socket.socket() as probe:
            # As servers do, so that connections of an earlier run that linger in TIME_WAIT do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
                # An edge listens with SO_REUSEPORT; only listening shows whether another one is there.
                probe.listen(1)
                port = probe.getsockname()[1]
                if port not in spoken_for:
                    _given.add(port)
                    return port
            except OSError:
                continue
    raise OSError("no free port on 127.0.0.1")


def _any_ports() -> list[int]:
    """Some below those that the kernel gives to outgoing connections, which could take one before its server binds it."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    fresh = sorted(set(range(20_000, lowest)) - _given)
    return random.sample(fresh, 20) if len(fresh) >= 1000 else []
