"""Asks the parser probe, built beside the edge, what the edge's parsers make of documents."""

import os
import pathlib
import struct
import subprocess

SEED = 20_261_122
PROBE = pathlib.Path(__file__).resolve().parents[2] / ".build" / "release" / "parser-probe"


def verdicts(documents: list[tuple[str, bytes]]) -> list[str]:
    """One line for each document of (kind, bytes); kinds and lines are described in Probe/main.swift."""
    records = b"".join(kind.encode() + struct.pack(">I", len(content)) + content for kind, content in documents)
    done = subprocess.run([PROBE], input=records, stdout=subprocess.PIPE, check=True, timeout=300)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(documents), "the probe ended early"
    return lines


def seed() -> int:
    """The same documents every time, so that a new fault comes of a change; STRAIT_SEED makes others."""
    chosen = int(os.environ.get("STRAIT_SEED", SEED))
    print(f"seed {chosen}")
    return chosen
