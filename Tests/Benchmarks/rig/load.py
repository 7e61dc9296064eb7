"""The loads: h2load, and the program in the folder client for what h2load cannot do. A proxy that refuses is
fast, so a run counts only when every request had its 200 and its whole answer."""

import contextlib
import dataclasses
import json
import pathlib
import re
import subprocess

from devfleet.workplace import FleetError

CIPHER = "TLS_AES_128_GCM_SHA256"
SECONDS = 300


@dataclasses.dataclass(frozen=True)
class Target:
    """Whom to ask, and what."""

    url: str
    body: pathlib.Path
    key: str
    answer: str | None = None


class Load:
    def __init__(self, client: pathlib.Path, core: int):
        self._client, self._core = client, core
        self.ciphers = set()
        """What was negotiated, for the report."""

    def h2load(self, target: Target, *, requests: int, connections: int, streams: int, http1=False) -> None:
        command = [
            *("taskset", "-c", self._core, "h2load", "-t", 1, f"--tls13-ciphers={CIPHER}"),
            *("-n", requests, "-c", connections, "-m", streams, "-d", target.body),
            *("-H", "content-type: application/json", "-H", f"authorization: Bearer {target.key}"),
            *(["-H", f"x-answer: {target.answer}"] if target.answer else []),
            *(["--h1"] if http1 else []),
            target.url,
        ]
        output = _run(command)
        succeeded = re.search(r"status codes: (\d+) 2xx", output)
        errored = re.search(r"(\d+) failed, (\d+) errored", output)
        if not succeeded or int(succeeded[1]) != requests or not errored or errored.groups() != ("0", "0"):
            raise FleetError("not every request succeeded:\n" + "\n".join(output.splitlines()[-9:]))
        self.ciphers |= set(re.findall(r"Cipher: (\S+)", output))

    def client(self, mode: str, target: Target, **options) -> dict:
        result = json.loads(_run(self._command(mode, target, options)))
        self.ciphers |= set(filter(None, [result["cipher"].partition(" ")[2]]))
        return result

    @contextlib.contextmanager
    def held(self, target: Target, **options):
        """Connections or streams that stay open, all of them there, until the block ends."""
        command = [str(part) for part in self._command("hold", target, options)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if not process.stdout.readline():
                raise FleetError("the load generator could not open what it was to hold")
            yield
            output, _ = process.communicate("", timeout=SECONDS)
            if json.loads(output)["lost"] > 0:
                raise FleetError(f"connections or streams were lost while they were to be held: {output}")
        finally:
            process.kill()
            process.wait()

    def _command(self, mode: str, target: Target, options: dict) -> list:
        command = ["taskset", "-c", self._core, self._client, mode]
        command += ["--url", target.url, "--body", target.body, "--key", target.key]
        command += ["--answer", target.answer] if target.answer else []
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            command += [flag] if value is True else [flag, value] if value is not False else []
        return command


def _run(command: list) -> str:
    words = [str(part) for part in command]
    result = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS)
    if result.returncode != 0:
        raise FleetError(f"{words[3]} failed: {result.stderr.strip() or result.stdout[-500:]}")
    return result.stdout
