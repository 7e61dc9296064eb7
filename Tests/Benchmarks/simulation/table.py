"""The report's table: what was measured, how far it spread, and whether that is enough."""

import dataclasses
import json
import math
import pathlib
import statistics

HEAD = ["| work | figure | seen (lowest–highest) | to reach | reached |", "|---|---|--:|--:|---|"]


@dataclasses.dataclass
class Taken:
    """A row's lines, and when and how they were taken."""

    date: str
    command: str
    lines: list[str]


class Table:
    """The lines of one row."""

    def __init__(self, work: str):
        self._work = work
        self.lines: list[str] = []

    def add(
        self, figure: str, seen: float, unit: str, *, most: float | None = None, of: list[float] = (), digits=2
    ) -> None:
        """`of` has all values that `seen` stands for."""
        spread = f" ({min(of):,.{digits}f}–{max(of):,.{digits}f})" if len(of) > 1 else ""
        goal = "" if most is None else f"≤ {most:g} {unit}"
        reached = "" if most is None else ("yes" if seen <= most else "**no**")
        work = "" if self.lines else self._work
        self.lines.append(f"| {work} | {figure} | {seen:,.{digits}f} {unit}{spread} | {goal} | {reached} |")
        print(self.lines[-1], flush=True)

    def median(self, figure: str, values: list[float], unit: str, **options) -> None:
        self.add(figure, statistics.median(values), unit, of=values, **options)

    def percentiles(self, values: list[float], unit: str, *, most: float) -> None:
        """The goal is the 99th's."""
        self.add("p50", percentile(values, 0.5), unit, of=values, digits=3)
        self.add("p99", percentile(values, 0.99), unit, most=most, digits=3)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all are not above."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def kept(file: pathlib.Path, taken: dict[str, Taken]) -> dict[str, Taken]:
    """Remembers these rows in the file and returns all that are remembered."""
    known = json.loads(file.read_text()) if file.exists() else {}
    known |= {name: dataclasses.asdict(row) for name, row in taken.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n")
    return {name: Taken(**row) for name, row in known.items()}
