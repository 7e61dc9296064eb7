"""The results as a table for people, kept in README.md with the day, the machine and the versions. Rows can be taken
again one by one: the latest values of each are kept in the work folder."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess

import rows
from devfleet.workplace import WORK
from rig import peers
from rig.gateway import LiteLLM
from rows.row import DIRECT, STRAIT, Figure, Results, median

KEPT = WORK / "bench" / "results.json"
HEAD = [
    "| work | proxy | median (lowest–highest) | Strait ÷ it | to reach | reached |",
    "|---|---|--:|--:|---|---|",
]


@dataclasses.dataclass(frozen=True)
class Taken:
    """A row's results, and when and how they were taken."""

    date: str
    command: str
    figures: list[Results]


def today() -> str:
    return datetime.date.today().isoformat()


def keep(taken: dict[str, Taken]) -> dict[str, Taken]:
    """Remembers these rows and returns all that are remembered."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept |= {name: dataclasses.asdict(row) for name, row in taken.items()}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(kept, indent=2) + "\n")
    return {name: Taken(**row) for name, row in kept.items()}


def table(taken: dict[str, Taken]) -> list[str]:
    lines = list(HEAD)
    for row in (row for row in rows.ALL if row.name in taken):
        for figure, by_subject in zip(row.figures, taken[row.name].figures, strict=True):
            title = figure.unit if len(row.figures) == 1 else f"{figure.name}, {figure.unit}"
            lines += _figure(f"{row.work}: {title}", figure, by_subject)
    return lines


def _figure(title: str, figure: Figure, by_subject: Results) -> list[str]:
    lines = []
    for name, values in by_subject.items():
        goals = [goal for goal in figure.goals if _shown_at(goal) == name]
        reached = [{True: "yes", False: "**no**", None: "–"}[goal.reached(by_subject)] for goal in goals]
        ratio = "" if name in (STRAIT, DIRECT) else _ratio(by_subject[STRAIT], values)
        cells = [title if not lines else "", name, _with_spread(values, figure.digits), ratio]
        cells += ["; ".join(goal.text for goal in goals), "; ".join(reached)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _shown_at(goal) -> str:
    """A goal stands in the line of the one peer that it names, or in the edge's own."""
    return goal.subjects[0] if len(goal.subjects) == 1 else STRAIT


def _ratio(edge: list[float], other: list[float]) -> str:
    if median(other) == 0:
        return ""
    ratio = median(edge) / median(other)
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.4f}"


def _with_spread(values: list[float], digits: int) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def write(readme: pathlib.Path, taken: dict[str, Taken], ciphers: set[str]) -> None:
    facts = (
        f"{occasions(taken)}. {machine()}, {_system()}; TLS 1.3 with "
        f"{' and '.join(sorted(ciphers))}, ECDSA P-256. Peers: "
        f"{', '.join(kind.version() for kind in (*peers.ALL, LiteLLM))}."
    )
    replace_section(readme, "results", [facts, "", *table(taken)])


def replace_section(readme: pathlib.Path, name: str, lines: list[str]) -> None:
    """Puts the lines where the last ones of that name were, between two comments."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, _, rest = readme.read_text().partition(start)
    _, _, tail = rest.partition(end)
    readme.write_text("\n".join([head + start, "", *lines, "", end + tail]))


def occasions(taken: dict) -> str:
    """`2026-11-21, bench.py --runs 5`, and the rows by name where there was more than one occasion."""
    occasions = {}
    for name, row in taken.items():
        occasions.setdefault(f"{row.date}, `{row.command}`", []).append(name)
    if len(occasions) == 1:
        return next(iter(occasions))
    return "; ".join(f"{when} ({', '.join(names)})" for when, names in occasions.items())


def machine() -> str:
    return f"{_processor()}, {os.cpu_count()} cores, Linux {platform.release()}"


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _system() -> str:
    result = subprocess.run(["openssl", "version"], capture_output=True, text=True)
    return " ".join(result.stdout.split()[:2])
