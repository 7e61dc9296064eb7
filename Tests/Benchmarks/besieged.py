"""What attacks on an edge do to everybody else: the p99 of well-behaved clients beside each attack over their p99
without it. The edge has production's limits; the attackers are those of the end-to-end tests.

Requests come at random times, so many a second, over 200 connections from ten addresses. Core 0 belongs to the edge;
clients, upstream and attackers share core 1, where the attackers get only what the others leave.

usage: besieged.py [--attacks WORD,...] [--runs N] [--seconds S] [--write] [--list]
"""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "infra"))

import report  # noqa: E402
from attackers import ATTACKS, IN_TURN  # noqa: E402
from devfleet.workplace import FleetError, python_of  # noqa: E402
from rig.edge import OF_PRODUCTION  # noqa: E402
from rig.stage import LOAD_CORE, Stage  # noqa: E402
from rows.row import STRAIT, median  # noqa: E402

ATTACKERS = 100
VICTIMS, VICTIM_ADDRESSES, RATE = 200, 10, 1_000
SETTLING_SECONDS = 1
MOST = 2.0
HEAD = ["| attack | p99 without it, ms | p99 beside it, ms | ratio | reached |", "|---|--:|--:|--:|---|"]


def main() -> int:
    options = arguments()
    attacks = chosen(options.attacks)
    if options.list:
        print("\n".join(title(*attack) for attack in attacks))
        return 0
    with Stage(limits=OF_PRODUCTION) as stage:
        lines = [measured(stage, group, number, options) for group, number in attacks]
    print("\n".join([*HEAD, *lines]))
    if options.write:
        facts = (
            f"{report.today()}, `besieged.py --runs {options.runs} --seconds {options.seconds:g}`: {ATTACKERS} "
            f"attackers from one address; {VICTIMS} connections, {RATE:,} requests a second. At most {MOST:g}."
        )
        report.replace_section(HERE / "README.md", "hostile", [facts, "", *HEAD, *lines])
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--attacks", default="", help="those whose name has one of these words; all without it"
    )
    parser.add_argument("--runs", type=int, default=3, help="interleaved runs without and with each attack")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one run")
    parser.add_argument("--write", action="store_true", help="put the table into README.md beside this file")
    parser.add_argument("--list", action="store_true", help="name the attacks and exit")
    return parser.parse_args()


def chosen(words: str) -> list[tuple[str, str]]:
    attacks = [
        (group, number)
        for group, kinds in ATTACKS.items()
        for number in (["all"] if group in IN_TURN else map(str, range(len(kinds))))
    ]
    wanted = [word for word in words.split(",") if word]
    return [attack for attack in attacks if not wanted or any(word in title(*attack) for word in wanted)]


def title(group: str, number: str) -> str:
    return group if number == "all" else f"{group}: {ATTACKS[group][int(number)].name}"


def measured(stage: Stage, group: str, number: str, options) -> str:
    """A line of the table, also where the edge or its victims did not hold."""
    try:
        return measure(stage, group, number, options)
    except FleetError as error:
        print(f"  {title(group, number):<60} {error}", flush=True)
        held = stage.edge.is_running
        if not held:
            stage.edge.restart()
        what = "requests were lost" if held else "the edge ended"
        return f"| {title(group, number)} | | | {what} | **no** |"


def measure(stage: Stage, group: str, number: str, options) -> str:
    without, beside = [], []
    for _ in range(options.runs):
        without.append(victims_p99(stage, options.seconds))
        with attacked(stage, group, number) as told:
            beside.append(victims_p99(stage, options.seconds))
        time.sleep(SETTLING_SECONDS)
    ratio = median(beside) / median(without)
    print(f"  {title(group, number):<60} {ratio:5.2f}   last run's attackers: {told}", flush=True)
    return (
        f"| {title(group, number)} | {with_spread(without)} | {with_spread(beside)} | {ratio:.2f} "
        f"| {'yes' if ratio <= MOST else '**no**'} |"
    )


def victims_p99(stage: Stage, seconds: float) -> float:
    """Milliseconds. Every request must be answered whole."""
    result = stage.load.client(
        "paced",
        stage.target(STRAIT),
        connections=VICTIMS,
        sources=VICTIM_ADDRESSES,
        rate=RATE,
        requests=int(RATE * seconds),
    )
    stage.require(STRAIT, result["failed"] == 0, result)
    return result["p99_us"] / 1000


@contextlib.contextmanager
def attacked(stage: Stage, group: str, number: str):
    """Attackers at work. What they last met is told when they have gone."""
    host, _, port = stage.target(STRAIT).url.split("/")[2].partition(":")
    command = [
        *("taskset", "-c", LOAD_CORE, python_of("clients"), HERE / "attackers.py"),
        *(host, port, stage.edge.fleet.ca_file, stage.edge.key, group, number, ATTACKERS),
    ]
    told = {}
    process = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        time.sleep(SETTLING_SECONDS)
        yield told
    finally:
        process.kill()
        output, _ = process.communicate()
        told |= json.loads((output.splitlines() or ["{}"])[-1])


def with_spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FleetError as error:
        sys.exit(f"the measurement stopped: {error}")
