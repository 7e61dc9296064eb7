"""What attacks on an edge do to everybody else: the p99 of well-behaved clients beside each attack over their p99
without it, and what the attack costs the edge. The edge has production's limits; the attackers are those of the
end-to-end tests.

Requests come at random times, so many a second, over 200 connections from ten addresses. Core 0 belongs to the edge;
clients, upstream and attackers share core 1, where the attackers, and the upstream that they ask, get only what the
others leave. Without an attack a program burns that instead, because a busy core makes the clients late all by itself.

usage: besieged.py [--attacks WORD,...] [--runs N] [--seconds S] [--write] [--list]
"""

import argparse
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "infra"))

import report  # noqa: E402
from attackers import ATTACKS, IN_TURN  # noqa: E402
from devfleet.workplace import FleetError  # noqa: E402
from rig.besieged import ATTACKERS, RATE, VICTIMS, Siege, Window  # noqa: E402
from rig.edge import OF_PRODUCTION  # noqa: E402
from rig.stage import Stage  # noqa: E402
from rows.row import median  # noqa: E402

MOST = 2.0
HEAD = [
    "| attack | p99 without it, ms | p99 beside it, ms | ratio | reached | longest turn, ms "
    "| edge's core, % | attacks/s | turned away/s | µs an attack | mostly ended for |",
    "|---|--:|--:|--:|---|--:|--:|--:|--:|--:|---|",
]


def main() -> int:
    options = arguments()
    attacks = chosen(options.attacks)
    if options.list:
        print("\n".join(title(*attack) for attack in attacks))
        return 0
    started = time.monotonic()
    with Stage(limits=OF_PRODUCTION, besieged=True) as stage:
        siege = Siege(stage, options.runs, options.seconds)
        alone = with_spread(told("(none, and nothing else)", siege.alone()))
        lines = [line for group in grouped(attacks) for line in measured(siege, group)]
    print("\n".join([*HEAD, *lines]))
    if options.write:
        minutes = (time.monotonic() - started) / 60
        facts = (
            f"{report.today()}, `besieged.py --runs {options.runs} --seconds {options.seconds:g}`, "
            f"{minutes:.0f} minutes. {report.machine()}. {ATTACKERS} attackers from one "
            f"address; {VICTIMS} connections, {RATE:,} requests a second. At most {MOST:g}. "
            f"Where nothing burns what is left of the clients' core, and nobody attacks, the p99 is {alone} ms."
        )
        report.replace_section(HERE / "README.md", "hostile", [facts, "", *HEAD, *lines])
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--attacks", default="", help="those whose name has one of these words; all without it"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs beside each attack")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one run")
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


def grouped(attacks: list[tuple[str, str]], most: int = 6) -> list[list[tuple[str, str]]]:
    """So many attacks share one measurement without any, which is not long ago then."""
    return [attacks[start : start + most] for start in range(0, len(attacks), most)]


def title(group: str, number: str) -> str:
    return group if number == "all" else f"{group}: {ATTACKS[group][int(number)].name}"


def measured(siege: Siege, attacks: list[tuple[str, str]]) -> list[str]:
    """Lines of the table. Peace is measured before and after the attacks, so that a drift of the machine is in both."""
    before = told("(none)", siege.peace())
    beside = [(attack, besieged(siege, attack)) for attack in attacks]
    peace = before + told("(none)", siege.peace())
    return [line(title(*attack), peace, windows) for attack, windows in beside]


def besieged(siege: Siege, attack: tuple[str, str]) -> list[Window] | str:
    """Windows, or words where the edge or its victims did not hold."""
    try:
        return told(title(*attack), siege.beside(attack))
    except FleetError as error:
        print(f"  {title(*attack):<60} {error}", flush=True)
        return "requests were lost" if siege.survives() else "the edge ended"


def told(name: str, windows: list[Window]) -> list[Window]:
    print(f"  {name:<60} {middle(windows, 'p99'):6.2f} ms  {windows[-1]}", flush=True)
    return windows


def line(name: str, peace: list[Window], windows: list[Window] | str) -> str:
    if isinstance(windows, str):
        return f"| {name} | {with_spread(peace)} | | {windows} | **no** | | | | | | |"
    ratio = middle(windows, "p99") / middle(peace, "p99")
    attacks = middle(windows, "accepted")
    extra = middle(windows, "core") - middle(peace, "core")
    each = f"{1e6 * extra / attacks:,.0f}" if attacks >= 1 else ""
    return (
        f"| {name} | {with_spread(peace)} | {with_spread(windows)} | {ratio:.2f} "
        f"| {'yes' if ratio <= MOST else '**no**'} | {max(window.longest_turn for window in windows):.1f} "
        f"| {100 * middle(windows, 'core'):.1f} ({100 * extra:+.1f}) "
        f"| {attacks:.0f} | {middle(windows, 'turned_away'):.0f} | {each} | {windows[-1].reason} |"
    )


def middle(windows: list[Window], name: str) -> float:
    return median([getattr(window, name) for window in windows])


def with_spread(windows: list[Window]) -> str:
    values = [window.p99 for window in windows]
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FleetError as error:
        sys.exit(f"the measurement stopped: {error}")
