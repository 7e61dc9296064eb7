"""The two programs in C, the upstream and the load generator, built where they are used."""

import pathlib
import subprocess

from devfleet.workplace import FleetError

SOURCES = pathlib.Path(__file__).resolve().parents[1]
LIBRARIES = {"upstream": ["-lnghttp2"], "client": ["-lnghttp2", "-lssl", "-lcrypto", "-lm"]}


def build(name: str, folder: pathlib.Path) -> pathlib.Path:
    program = folder / name
    sources = sorted((SOURCES / name).glob("*.c"))
    command = ["gcc", "-O2", "-o", program, *sources, *LIBRARIES[name]]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise FleetError(f"{name} did not compile: {result.stderr.strip()}; next: infra/setup bench")
    return program
