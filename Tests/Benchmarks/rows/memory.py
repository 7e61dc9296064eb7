"""What stays in memory: connections without a request, and streams without a new event."""

import time

from .row import Figure, Goal, Row

CONNECTIONS = 2_000
STREAM_CONNECTIONS, STREAMS = 30, 100
QUIET = "events 2 600000"
"""One event, and the next one in ten minutes."""
SETTLING_SECONDS = 2


def _kilobytes_each(stage, name: str, target, count: int, **held) -> float:
    """Growth of a process that has just been started, and has served one connection, by `count` things."""
    stage.subject(name).restart()
    stage.load.h2load(stage.target(name), requests=20, connections=1, streams=1)
    before = stage.resident_bytes(name)
    with stage.load.held(target, **held):
        time.sleep(SETTLING_SECONDS)
        return (stage.resident_bytes(name) - before) / count / 1024


def measure_idle_connections(stage, name: str, scale: float) -> list[float]:
    count = max(100, int(CONNECTIONS * scale))
    return [_kilobytes_each(stage, name, stage.target(name), count, connections=count)]


def measure_quiet_streams(stage, name: str, scale: float) -> list[float]:
    connections = max(1, int(STREAM_CONNECTIONS * scale))
    target = stage.target(name, "stream", QUIET)
    held = {"connections": connections, "streams": STREAMS}
    return [_kilobytes_each(stage, name, target, connections * STREAMS, **held)]


ROWS = [
    Row(
        "idle",
        f"{CONNECTIONS:,} idle TLS + HTTP/2 connections, each after one request",
        (Figure("memory", "KB resident a connection", (Goal(value=24, unit="KB"),)),),
        measure_idle_connections,
        warm_up=False,
    ),
    Row(
        "quiet",
        f"{STREAM_CONNECTIONS * STREAMS:,} open, quiet event streams, {STREAMS} a connection",
        (Figure("memory", "KB resident a stream", (Goal(value=16, unit="KB"),)),),
        measure_quiet_streams,
        warm_up=False,
    ),
]
