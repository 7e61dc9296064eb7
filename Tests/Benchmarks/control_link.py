"""What the control link does with many edges and many keys: how soon a change is everywhere, what newcomers and a fleet
that comes back cost, and what a real edge does with a million keys. The control plane and its database are the real ones;
fleets are simulated.

usage: control_link.py [--rows NAME,...] [--scale X] [--trials N] [--runs N] [--write] [--list]
"""

import argparse
import asyncio
import os
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "infra"))
# Programs are started while simulated edges are connected; gRPC would take part in that.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import report  # noqa: E402
from simulation import edge_rows, fleet_rows, table  # noqa: E402
from simulation.centre import Centre  # noqa: E402

ROWS = {
    "table": edge_rows.table,
    "snapshot": fleet_rows.snapshot,
    "propagation": fleet_rows.propagation,
    "revocation": fleet_rows.revocation,
    "crowd": fleet_rows.crowd,
    "cold-start": edge_rows.cold_start,
    "pause": edge_rows.pause,
}
KEPT = report.KEPT.with_name("control-link.json")


def main() -> int:
    options = arguments()
    if options.list:
        print("\n".join(ROWS))
        return 0
    names = [name for name in ROWS if not options.rows or name in options.rows.split(",")]
    taken = {}
    print("\n".join(table.HEAD))
    with Centre() as centre:
        asyncio.run(measure(centre, names, options, taken))
    if options.write:
        write(table.kept(KEPT, taken))
    return 0 if len(taken) == len(names) else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", help="some rows, by name and comma; all without it")
    parser.add_argument("--scale", type=float, default=1.0, help="less than 1: fewer edges, keys, teams and trials")
    parser.add_argument("--trials", type=int, default=1000, help="changes of which the slowest hundredth counts")
    parser.add_argument("--runs", type=int, default=3, help="of what is not made of trials; a start has two more")
    parser.add_argument("--edges", type=int, default=100, help="that a change goes to")
    parser.add_argument("--crowd", type=int, default=1000, help="edges on one replica")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--teams", type=int, default=10_000)
    parser.add_argument("--write", action="store_true", help="put the table into README.md; rows not run stay")
    parser.add_argument("--list", action="store_true", help="name the rows and exit")
    options = parser.parse_args()
    for name in ("trials", "edges", "crowd", "keys", "teams"):
        setattr(options, name, max(2, round(getattr(options, name) * options.scale)))
    return options


async def measure(centre: Centre, names: list[str], options, taken: dict) -> None:
    """One row after the other; one that fails does not stop those after it."""
    # Streams that end while they wait for something to say are noted by the loop, one by one; rows say what failed.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    if set(names) - {"table"}:
        begun = time.monotonic()
        await asyncio.to_thread(centre.add_keys, options.keys, options.teams)
        print(f"  {options.keys:,} keys in the database after {time.monotonic() - begun:.0f} s", flush=True)
    for name in names:
        begun = time.monotonic()
        try:
            lines = (await ROWS[name](centre, options)).lines
        except Exception:
            print(f"  {name} could not be measured:\n{traceback.format_exc()}", flush=True)
            continue
        taken[name] = table.Taken(report.today(), command(options), lines)
        print(f"  {name} took {time.monotonic() - begun:.0f} s", flush=True)


def command(options) -> str:
    scale = f" --scale {options.scale:g}" if options.scale != 1 else ""
    return f"control_link.py --trials {options.trials} --runs {options.runs}{scale}"


def write(taken: dict[str, table.Taken]) -> None:
    lines = [line for name in ROWS if name in taken for line in taken[name].lines]
    facts = f"{report.occasions(taken)}. {report.machine()}; everything on this one machine."
    report.replace_section(HERE / "README.md", "control-link", [facts, "", *table.HEAD, *lines])


if __name__ == "__main__":
    sys.exit(main())
