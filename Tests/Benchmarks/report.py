"""The results as a table for people, kept in README.md with the day, the machine and the versions."""

import datetime
import pathlib
import platform
import re
import subprocess

import rows
from rig import peers
from rows.row import STRAIT, Figure, Results, median

START, END = "<!-- results -->", "<!-- end of results -->"
HEAD = [
    "| work | proxy | median (lowest–highest) | Strait ÷ it | to reach | reached |",
    "|---|---|--:|--:|---|---|",
]


def table(results: dict[str, list[Results]]) -> list[str]:
    lines = list(HEAD)
    for row in rows.ALL:
        for figure, by_subject in zip(row.figures, results.get(row.name, []), strict=False):
            title = figure.unit if len(row.figures) == 1 else f"{figure.name}, {figure.unit}"
            lines += _figure(f"{row.work}: {title}", figure, by_subject)
    return lines


def _figure(title: str, figure: Figure, by_subject: Results) -> list[str]:
    lines = []
    for name, values in by_subject.items():
        goals = [goal for goal in figure.goals if _shown_at(goal) == name]
        reached = [{True: "yes", False: "**no**", None: "–"}[goal.reached(by_subject)] for goal in goals]
        ratio = "" if name == STRAIT else _ratio(by_subject[STRAIT], values)
        cells = [title if not lines else "", name, _with_spread(values, figure.digits), ratio]
        cells += ["; ".join(goal.text for goal in goals), "; ".join(reached)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _shown_at(goal) -> str:
    """A goal stands in the line of the one peer that it names, or in the edge's own."""
    return goal.subjects[0] if len(goal.subjects) == 1 else STRAIT


def _ratio(edge: list[float], other: list[float]) -> str:
    return f"{median(edge) / median(other):.2f}" if median(other) > 0 else ""


def _with_spread(values: list[float], digits: int) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def write(readme: pathlib.Path, results, options, ciphers: set[str]) -> None:
    command = "bench.py" + (f" --rows {options.rows}" if options.rows else "") + f" --runs {options.runs}"
    if options.scale != 1:
        command += f" --scale {options.scale:g}"
    facts = (
        f"{datetime.date.today().isoformat()}, `{command}`: {options.runs} interleaved runs of each row. "
        f"{_processor()}, Linux {platform.release()}, {_system()}; TLS 1.3 with {' and '.join(sorted(ciphers))}, "
        f"ECDSA P-256. Peers: {', '.join(kind.version() for kind in peers.ALL)}."
    )
    text = readme.read_text()
    head, _, rest = text.partition(START)
    _, _, tail = rest.partition(END)
    readme.write_text("\n".join([head + START, "", facts, "", *table(results), "", END + tail]))


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _system() -> str:
    result = subprocess.run(["openssl", "version"], capture_output=True, text=True)
    return " ".join(result.stdout.split()[:2])
