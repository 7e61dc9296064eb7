"""The benchmark suite: what an edge costs and how it holds up, beside the proxies that people use.

Each row of the table is some work that the edge and the peers do in turn, several times, so that a change of the
machine's mood meets all of them. The proxy under measurement has core 0, load and upstream have core 1. The edge
does its whole job: it knows the caller, reads model and usage, and writes a usage record of each exchange.

usage: bench.py [--rows NAME,...] [--runs N] [--scale X] [--write] [--list]
"""

import argparse
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "infra"))

import report  # noqa: E402
import rows  # noqa: E402
from devfleet.workplace import FleetError  # noqa: E402
from report import Taken
from rig.stage import Stage  # noqa: E402


def main() -> int:
    options = arguments()
    if options.list:
        print("\n".join(f"{row.name:<14} {row.work}" for row in rows.ALL))
        return 0
    with Stage() as stage:
        taken = {}
        for row in chosen(options.rows):
            began = time.monotonic()
            taken[row.name] = Taken(report.today(), command(options), run_in_turn(stage, row, options))
            print(f"  {row.name} took {time.monotonic() - began:.0f} s", flush=True)
        print("\n".join(report.table(taken)))
        if options.write:
            report.write(HERE / "README.md", report.keep(taken), stage.load.ciphers)
    return 0


def command(options: argparse.Namespace) -> str:
    scale = f" --scale {options.scale:g}" if options.scale != 1 else ""
    return f"bench.py --runs {options.runs}{scale}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", help="some rows, by name and comma; all without it")
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each row and proxy")
    parser.add_argument("--scale", type=float, default=1.0, help="less than 1 makes each run shorter")
    parser.add_argument(
        "--write", action="store_true", help="put the table into README.md; rows not run stay"
    )
    parser.add_argument("--list", action="store_true", help="name the rows and exit")
    return parser.parse_args()


def chosen(names: str) -> list[rows.Row]:
    wanted = [name for name in names.split(",") if name]
    unknown = set(wanted) - {row.name for row in rows.ALL}
    if unknown:
        raise FleetError(f"no such row: {', '.join(unknown)}; next: bench.py --list")
    return [row for row in rows.ALL if not wanted or row.name in wanted]


def run_in_turn(stage: Stage, row: rows.Row, options) -> list[dict[str, list[float]]]:
    """The values of each figure of the row, by subject."""
    results = [{name: [] for name in row.subjects} for _ in row.figures]
    for run in range(-1 if row.warm_up else 0, options.runs):
        # The order alternates too; a warm-up run is not counted.
        for name in row.subjects if run % 2 == 0 else reversed(row.subjects):
            values = row.measure(stage, name, options.scale)
            line = ", ".join(
                f"{figure.name} {value:.{figure.digits}f} {figure.unit}"
                for figure, value in zip(row.figures, values, strict=True)
            )
            print(f"  {row.name:<14} run {run + 1} {name:<12} {line}", flush=True)
            if run >= 0:
                for by_subject, value in zip(results, values, strict=True):
                    by_subject[name].append(value)
    return row.derive(results)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FleetError as error:
        sys.exit(f"the benchmark stopped: {error}")
