"""One kilobyte up and one down: what a request costs."""

from .row import STRAIT, Figure, Goal, Row, best_of

UNIT = "µs of CPU a request"
REQUESTS = 100_000


def _measure(connections: int, streams: int, http1=False):
    version = "http1" if http1 else "http2"
    body = "small-http1" if http1 else "small"

    def measure(stage, name: str, scale: float) -> list[float]:
        requests = max(connections * streams, int(REQUESTS * scale))
        target = stage.target(name, body, upstream=version)

        def work():
            stage.load.h2load(
                target, requests=requests, connections=connections, streams=streams, http1=http1
            )

        spent = stage.recorded(name, requests, lambda: stage.cpu_microseconds(name, work))
        return [spent / requests]

    return measure


ROWS = [
    Row(
        "small-50x20",
        "1 KB up, 1 KB down, HTTP/2, 50 connections × 20 streams",
        (
            Figure(
                "CPU",
                UNIT,
                (
                    Goal(0.6, ("nghttpx",)),
                    Goal(0.65, ("HAProxy",)),
                    Goal(0.2, ("nginx",)),
                    Goal(0.2, ("Envoy",)),
                ),
            ),
        ),
        _measure(50, 20),
    ),
    Row(
        "small-100x1",
        "1 KB up, 1 KB down, HTTP/2, 100 connections × 1 stream",
        (Figure("CPU", UNIT, (Goal(0.95, ("nghttpx",)), Goal(0.75, ("HAProxy",)))),),
        _measure(100, 1),
    ),
    Row(
        "http1",
        "1 KB up, 1 KB down, HTTP/1.1 keep-alive on both sides, 100 connections",
        (Figure("CPU", UNIT, (best_of("HAProxy", "nginx", factor=1.0),)),),
        _measure(100, 1, http1=True),
        (STRAIT, "HAProxy", "nginx"),
    ),
]
