"""Beside a gateway in Python, which is what many have in this place."""

from .row import STRAIT, Figure, Goal, Row

LITELLM = "LiteLLM"
REQUESTS = {STRAIT: 20_000, LITELLM: 400}
CONNECTIONS = 10


def measure_gateway(stage, name: str, scale: float) -> list[float]:
    requests = max(2 * CONNECTIONS, int(REQUESTS[name] * scale))
    target = stage.target(name, "small-http1")

    def work():
        stage.load.h2load(target, requests=requests, connections=CONNECTIONS, streams=1, http1=True)

    spent = stage.recorded(name, requests, lambda: stage.cpu_microseconds(name, work))
    return [spent / requests]


ROWS = [
    Row(
        "gateway",
        f"1 KB up, 1 KB down, HTTP/1.1 keep-alive, {CONNECTIONS} connections, keys checked",
        (Figure("CPU", "µs of CPU a request", (Goal(0.01, (LITELLM,)),)),),
        measure_gateway,
        (STRAIT, LITELLM),
    ),
]
