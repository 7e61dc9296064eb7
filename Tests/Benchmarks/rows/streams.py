"""Answers that come as server-sent events."""

from .row import PEERS, Figure, Row, best_of

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


ROWS = [
    Row(
        "sse",
        f"server-sent events, 1,000 streams ({CONNECTIONS} × {STREAMS}), a chunk every "
        f"{INTERVAL_MILLISECONDS} ms each",
        (Figure("CPU", "µs of CPU a chunk", (best_of(*PEERS, factor=0.85),)),),
        measure_chunks,
    ),
]
