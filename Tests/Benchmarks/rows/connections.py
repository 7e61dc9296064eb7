"""New connections: full handshakes beside the peers', and resumed ones beside full ones."""

from .row import STRAIT, Figure, Goal, Row

CONNECTIONS, AT_ONCE = 3_000, 20
FULL = f"{STRAIT}, full handshake"


def _measure(resume: bool):
    def measure(stage, name: str, scale: float) -> list[float]:
        resumes = resume and name != FULL
        subject = STRAIT if name == FULL else name
        count = max(2 * AT_ONCE, int(CONNECTIONS * scale))
        target = stage.target(subject)

        def work():
            result = stage.load.client("connect", target, requests=count, at_once=AT_ONCE, resume=resumes)
            # Nothing can be resumed before the first one's ticket.
            resumed = count - 1 if resumes else 0
            stage.require(subject, result["whole"] == count and result["resumed"] == resumed, result)

        spent = stage.recorded(subject, count, lambda: stage.cpu_microseconds(subject, work))
        return [spent / count]

    return measure


ROWS = [
    Row(
        "connect",
        "new TLS 1.3 connection with one request, HTTP/2",
        (Figure("CPU", "µs of CPU a connection", (Goal(0.95, ("HAProxy",)),), digits=0),),
        _measure(resume=False),
    ),
    Row(
        "resume",
        "the same, its TLS session resumed by a ticket",
        (Figure("CPU", "µs of CPU a connection", (Goal(0.5, (FULL,)),), digits=0),),
        _measure(resume=True),
        (STRAIT, FULL),
    ),
]
