"""Answers that come as server-sent events."""

from .row import DIRECT, PEERS, STRAIT, Figure, Goal, Row, best_of

CONNECTIONS, STREAMS = 50, 20
EVENTS, INTERVAL_MILLISECONDS = 100, 50


def measure_chunks(stage, name: str, scale: float) -> list[float]:
    """CPU for a chunk of 1,000 streams that each get one every 50 ms, 20,000 a second in all."""
    events = max(2, int(EVENTS * scale))
    target = stage.target(name, "stream", f"events {events} {INTERVAL_MILLISECONDS}")
    streams = CONNECTIONS * STREAMS

    def work():
        result = stage.load.client("events", target, connections=CONNECTIONS, streams=STREAMS)
        stage.require(name, result["whole"] == streams and result["events"] == streams * (events + 2), result)

    spent = stage.recorded(name, streams, lambda: stage.cpu_microseconds(name, work))
    # The last two events, usage and [DONE], come as one chunk.
    return [spent / (streams * (events + 1))]


BUSY_CONNECTIONS, BUSY_STREAMS, BUSY_EVENTS, BUSY_INTERVAL_MILLISECONDS = 20, 100, 64, 20


def measure_stalls(stage, name: str, scale: float) -> list[float]:
    """More chunks than most proxies can carry one by one: whether all arrive, and how late at the worst."""
    connections = max(1, int(BUSY_CONNECTIONS * scale))
    streams, answer = connections * BUSY_STREAMS, f"events {BUSY_EVENTS} {BUSY_INTERVAL_MILLISECONDS}"
    target = stage.direct("stream", answer) if name == DIRECT else stage.target(name, "stream", answer)

    def work():
        result = stage.load.client("events", target, connections=connections, streams=BUSY_STREAMS)
        lost = streams * (BUSY_EVENTS + 2) - result["events"]
        return [result["longest_gap_ms"], lost, streams - result["whole"]]

    return stage.recorded(name, streams, work)


COST = [
    Row(
        "sse",
        f"server-sent events, 1,000 streams ({CONNECTIONS} × {STREAMS}), a chunk every "
        f"{INTERVAL_MILLISECONDS} ms each",
        (Figure("CPU", "µs of CPU a chunk", (best_of(*PEERS, factor=0.85),)),),
        measure_chunks,
    ),
]
STALLS = [
    Row(
        "stalls",
        f"{BUSY_CONNECTIONS * BUSY_STREAMS:,} event streams ({BUSY_CONNECTIONS} × {BUSY_STREAMS}), "
        f"{BUSY_EVENTS} chunks at {BUSY_INTERVAL_MILLISECONDS} ms each",
        (
            Figure(
                "longest stall", "ms", (Goal(value=10 * BUSY_INTERVAL_MILLISECONDS, unit="ms"),), digits=0
            ),
            Figure("chunks lost", "of all", (Goal(value=0),), digits=0),
            Figure("streams not whole", "of all", (Goal(value=0),), digits=0),
        ),
        measure_stalls,
        (DIRECT, STRAIT, *PEERS),
    ),
]
