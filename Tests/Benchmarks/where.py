"""Where the edge's time goes: the share of each layer in what a row's work costs, seen by `perf`.

The floor under a row is what its system calls, its cryptography and nghttp2 cost; the rest is the edge's own.

usage: where.py [--rows NAME,...] [--scale X] [--write]
"""

import argparse
import contextlib
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "infra"))

import report  # noqa: E402
import rows  # noqa: E402
from devfleet.workplace import FleetError  # noqa: E402
from rig.stage import Stage  # noqa: E402
from rows.row import STRAIT  # noqa: E402

ROWS = ("small-50x20", "small-100x1", "http1", "sse", "connect", "resume", "large")
SAMPLES_PER_SECOND = 1999
LAYERS = ("kernel", "OpenSSL", "nghttp2", "C library", "Swift runtime", "Strait")
FLOOR = LAYERS[:3]


def main() -> int:
    options = arguments()
    if shutil.which("perf") is None:
        raise FleetError("perf is not installed; next: apt-get install linux-perf")
    lines = [
        "| row | its figure | " + " | ".join(LAYERS) + " | floor: the first three |",
        "|---|--:|" + "--:|" * (len(LAYERS) + 1),
    ]
    with Stage() as stage:
        for row in (row for row in rows.ALL if row.name in options.rows.split(",")):
            lines.append(line(stage, row, options.scale))
            print(lines[-1], flush=True)
    facts = f"{report.today()}, `where.py`, one run of each row: % of the edge's CPU time."
    if options.write:
        report.replace_section(HERE / "README.md", "where", [facts, "", *lines])
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default=",".join(ROWS), help="some rows, by name and comma")
    parser.add_argument("--scale", type=float, default=1.0, help="less than 1 makes each run shorter")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    return parser.parse_args()


def line(stage: Stage, row, scale: float) -> str:
    row.measure(stage, STRAIT, min(scale, 0.2))
    with tempfile.TemporaryDirectory() as folder:
        record = pathlib.Path(folder) / "perf.data"
        with recording(stage.subject(STRAIT).pid, record):
            value = row.measure(stage, STRAIT, scale)[0]
        shares = by_layer(record)
    figure = row.figures[0]
    floor = sum(shares[layer] for layer in FLOOR)
    cells = [row.name, f"{value:.{figure.digits}f} {figure.unit}", *(f"{shares[layer]:.0f}" for layer in LAYERS)]
    return "| " + " | ".join(cells) + f" | {floor:.0f} % |"


@contextlib.contextmanager
def recording(pid: int, record: pathlib.Path):
    command = ["perf", "record", "-q", "-F", str(SAMPLES_PER_SECOND), "-p", str(pid), "-o", str(record)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as perf:
        try:
            yield
        finally:
            perf.send_signal(signal.SIGINT)


def by_layer(record: pathlib.Path) -> dict[str, float]:
    command = "perf report --no-children --no-demangle --sort dso,symbol --stdio -g none -t | -i".split()
    listing = subprocess.run([*command, record], capture_output=True, text=True, check=True).stdout
    shares = dict.fromkeys(LAYERS, 0.0)
    for entry in listing.splitlines():
        if entry.startswith("#") or entry.count("|") < 2:
            continue
        share, place, symbol = (part.strip() for part in entry.split("|", 2))
        shares[layer_of(place, symbol.removeprefix("[.]").removeprefix("[k]").strip())] += float(share.rstrip("%"))
    return shares


def layer_of(place: str, symbol: str) -> str:
    if "kernel" in place or place.startswith("["):
        return "kernel"
    if place.startswith(("libcrypto", "libssl")):
        return "OpenSSL"
    if place.startswith("libswift"):
        return "Swift runtime"
    if place.startswith("edge-node"):
        # nghttp2 is linked in; of the C functions there few are Strait's, and those have its name.
        return "Strait" if symbol.startswith(("$s", "strait_", "pages_", "0x")) else "nghttp2"
    return "C library"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FleetError as error:
        sys.exit(f"the profile stopped: {error}")
