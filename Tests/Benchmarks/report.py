"""The result as a table for people, kept in README.md with the day, the machine and the versions."""

import datetime
import pathlib
import platform
import re
import statistics
import subprocess

START, END = "<!-- results -->", "<!-- end of results -->"


def table(results) -> list[str]:
    lines = [
        "| connections × streams | edge-node, µs of CPU a request | nghttpx | nghttpx ÷ edge-node |",
        "|---|--:|--:|--:|",
    ]
    for load, by_name in results.items():
        edge, peer = ([one.microseconds for one in by_name[name]] for name in ("edge-node", "nghttpx"))
        ratio = statistics.median(peer) / statistics.median(edge)
        lines.append(f"| {load.name} | {with_spread(edge)} | {with_spread(peer)} | {ratio:.2f} |")
    return lines


def with_spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def write(readme: pathlib.Path, results, runs: int, requests: int) -> None:
    ciphers = {one.cipher for by_name in results.values() for ones in by_name.values() for one in ones}
    facts = (
        f"{datetime.date.today().isoformat()}, {processor()}, Linux {platform.release()}, "
        f"{peer_version()}, {' and '.join(sorted(ciphers))}. Median (lowest–highest) of {runs} interleaved "
        f"runs of {requests:,} requests."
    )
    text = readme.read_text()
    head, _, rest = text.partition(START)
    _, _, tail = rest.partition(END)
    readme.write_text("\n".join([head + START, "", facts, "", *table(results), "", END + tail]))


def processor() -> str:
    found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def peer_version() -> str:
    return subprocess.run(["nghttpx", "--version"], capture_output=True, text=True).stdout.strip()
