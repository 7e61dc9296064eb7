"""The program attackers.py at work beside a load."""

import pathlib
import subprocess

from devfleet.workplace import FleetError, python_of

from . import account

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "attackers.py"


class Attackers:
    """They attack within `with`. `address` is the edge's, `attack` what attackers.py calls the attack, `source` the
    address that they come from."""

    def __init__(
        self,
        core: int,
        address: str,
        ca_file: pathlib.Path,
        key: str,
        attack: tuple[str, str],
        count: int,
        source: str,
    ):
        host, _, port = address.partition(":")
        command = ["taskset", "-c", core, python_of("clients"), PROGRAM]
        self._command = [str(part) for part in (*command, host, port, ca_file, key, *attack, count, source)]

    def __enter__(self) -> "Attackers":
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        # It tells something as soon as it attacks.
        if not self._process.stdout.readline():
            self.__exit__()
            raise FleetError(f"the attackers ended at once: {' '.join(self._command)}")
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def cpu_nanoseconds(self) -> int:
        return account.cpu_nanoseconds(self._process.pid)
