"""Runs the one release build that `make run` and `make test` share, and shows how far it is."""

import os
import re
import signal
import subprocess
import sys
import time

from .workplace import REPOSITORY, FleetError

COUNT = re.compile(r"^\[(\d+)/(\d+)\] (.*)")
SECONDS_BETWEEN_LINES = 15


def build(*options: str) -> None:
    command = [REPOSITORY / "infra" / "swift", "build", "-c", "release", *options]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    )
    try:
        lines = _follow(process)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.returncode != 0:
        errors = [line for line in lines if "error:" in line] or lines[-30:]
        raise FleetError("the build failed:\n" + "\n".join(errors[:40]))


def _follow(process: subprocess.Popen) -> list[str]:
    """Shows the compiler's own count: in place on a terminal, else a line now and then."""
    terminal = sys.stdout.isatty()
    lines, last = [], time.monotonic()
    for line in process.stdout:
        lines.append(line.rstrip())
        count = COUNT.match(line)
        if count and terminal:
            print(f"\r\033[K    [{count[1]}/{count[2]}] {count[3][:90].rstrip()}", end="", flush=True)
        elif count and time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"    [{count[1]}/{count[2]}] {count[3][:90].rstrip()}", flush=True)
    if terminal:
        print("\r\033[K", end="")
    process.wait()
    return lines
