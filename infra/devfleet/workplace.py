"""Where things are: the repository, the work folder that version control ignores, the built programs."""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
WORK = REPOSITORY / ".strait"
FLEET = pathlib.Path(os.environ.get("STRAIT_DEV_FOLDER", WORK))
"""The state of the fleet that `make run` starts. Tests of the launcher set it elsewhere."""
REGIONS = REPOSITORY / "regions"
PROGRAMS = pathlib.Path(os.environ.get("STRAIT_PROGRAMS", REPOSITORY / ".build" / "release"))
"""Where the built programs are; set it to try a fleet with programs from elsewhere."""
MODEL_FILE = WORK / "model" / "gemma3-270m.gguf"


class FleetError(Exception):
    """Something in the world is not as it must be; the message says what, and what to do next."""


def program(name: str) -> pathlib.Path:
    """A program that `swift build -c release` makes."""
    path = PROGRAMS / name
    if not path.exists():
        raise FleetError(f"{name} is not built; next: swift build -c release")
    return path


def python_of(environment: str) -> pathlib.Path:
    """The interpreter of one of the environments that infra/setup makes, such as clients, model or llmock."""
    path = WORK / f"venv-{environment}" / "bin" / "python"
    if not path.exists():
        raise FleetError(f"the Python environment '{environment}' is missing; next: infra/setup run")
    return path


def write_private(path: pathlib.Path, text: str) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def yaml(value: dict, indent: str = "") -> str:
    """The small part of YAML that configuration files need: nested maps, lists of scalars, scalars."""
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines.append(f"{indent}{key}:\n{yaml(item, indent + '  ')}".rstrip("\n"))
        elif isinstance(item, list):
            lines.append(f"{indent}{key}: [{', '.join(str(entry) for entry in item)}]")
        else:
            lines.append(f"{indent}{key}: {item}")
    return "\n".join(lines) + "\n"
