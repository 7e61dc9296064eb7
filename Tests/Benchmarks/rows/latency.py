"""How much later an answer comes than from the upstream itself, when requests come at their own time."""

from .row import DIRECT, PEERS, STRAIT, Figure, Results, Row, best_of, median

RATE, SECONDS, CONNECTIONS = 2_000, 5, 100


def measure_latency(stage, name: str, scale: float) -> list[float]:
    requests = max(RATE // 10, int(RATE * SECONDS * scale))
    target = stage.direct() if name == DIRECT else stage.target(name)

    def work():
        result = stage.load.client("paced", target, connections=CONNECTIONS, rate=RATE, requests=requests)
        stage.require(name, result["failed"] == 0, result)
        return [result["p50_us"], result["p99_us"]]

    return stage.recorded(name, requests, work)


def less_the_upstream(results: list[Results]) -> list[Results]:
    """What the proxies add. The upstream's own line keeps its whole time."""
    return [
        {
            name: values if name == DIRECT else [value - median(by_subject[DIRECT]) for value in values]
            for name, values in by_subject.items()
        }
        for by_subject in results
    ]


GOALS = (best_of(*PEERS, factor=1.0),)
ROWS = [
    Row(
        "latency",
        f"{RATE:,} requests a second at random times, {CONNECTIONS} connections × 1 stream",
        (
            Figure("added at p50", "µs", GOALS, digits=0),
            Figure("added at p99", "µs", GOALS, digits=0),
        ),
        measure_latency,
        (DIRECT, STRAIT, *PEERS),
        derive=less_the_upstream,
    ),
]
