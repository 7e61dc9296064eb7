"""A large answer: what a gigabyte costs."""

from .row import PEERS, Figure, Row, best_of

REQUESTS, CONNECTIONS = 100, 10


def measure_large(stage, name: str, scale: float) -> list[float]:
    requests = max(CONNECTIONS, int(REQUESTS * scale))
    target = stage.target(name, "large", "large", "/embeddings")

    def work():
        stage.load.h2load(target, requests=requests, connections=CONNECTIONS, streams=1)

    spent = stage.recorded(name, requests, lambda: stage.cpu_microseconds(name, work))
    gigabytes = requests * stage.large_bytes / 1e9
    return [spent / 1e6 / gigabytes]


ROWS = [
    Row(
        "large",
        f"10 MB down (embeddings in base64), HTTP/2, {CONNECTIONS} connections × 1 stream",
        (Figure("CPU", "s of CPU a GB", (best_of(*PEERS, factor=0.9),), digits=2),),
        measure_large,
    ),
]
