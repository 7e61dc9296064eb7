"""Asks the parser probe, built beside the edge, what the edge's parsers make of documents."""

import pathlib
import struct
import subprocess

PROBE = pathlib.Path(__file__).resolve().parents[2] / ".build" / "release" / "parser-probe"


def verdicts(documents: list[tuple[str, bytes]]) -> list[str]:
    """One line for each document of (kind, bytes); kinds and lines are described in Probe/main.swift."""
    records = b"".join(kind.encode() + struct.pack(">I", len(content)) + content for kind, content in documents)
    done = subprocess.run([PROBE], input=records, stdout=subprocess.PIPE, check=True, timeout=300)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(documents), "the probe ended early"
    return lines
