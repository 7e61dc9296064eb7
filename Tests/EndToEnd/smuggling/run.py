"""Sends every case over a connection of its own, several at once, and gathers what came of it."""

import concurrent.futures
import dataclasses
import socket
import ssl

from devfleet.processes import wait_until

from .messages import AUTHORIZATION, HOST, KEY, MARKER, NUMBER, Case
from .oracle import Answers, Verdict, judge
from .upstream import CountingUpstream, Seen

LAST = b"\r\n".join([b"GET /v1/models HTTP/1.1", HOST, AUTHORIZATION, b"Connection: close", b"", b""])
# Beyond the strict edge's limits on time, and the 30 s in which a refused request may still come to its end.
WAIT_SECONDS = 45
# New connections from one address are limited; these are spread over several.
SOURCES = [f"127.0.2.{number}" for number in range(1, 17)]


@dataclasses.dataclass
class Result:
    case: Case
    verdict: Verdict
    answers: Answers
    ended: bool = True
    """The edge ended the connection, as its limits say it must."""
    seen: list[Seen] = dataclasses.field(default_factory=list)

    @property
    def smuggled(self) -> bool:
        return any(request.values(MARKER) == [b"smuggled"] for request in self.seen)

    @property
    def expected(self) -> int:
        """Requests that the upstream should have seen."""
        return 0 if self.case.reason else self.verdict.chats

    def __str__(self):
        return (
            f"{self.case.message!r}: llhttp {self.verdict}, answers {self.answers.statuses}, "
            f"{len(self.seen)} upstream"
        )


def run(cases: list[Case], edge, trust: ssl.SSLContext, key: str, upstream: CountingUpstream) -> list[Result]:
    upstream.reset()
    numbers = range(len(cases))
    with concurrent.futures.ThreadPoolExecutor(len(SOURCES)) as pool:
        results = list(pool.map(lambda number: _run_one(cases[number], number, edge, trust, key), numbers))
    wait_until(lambda: active_exchanges(edge) == 0, "the edge has ended every exchange")
    for seen in upstream.seen:
        number = int(seen.content.removeprefix("case "))
        results[number].seen.append(seen)
    return results


def active_exchanges(edge) -> int:
    return int(edge.metrics()["strait_edge_exchanges_active"])


def _run_one(case: Case, number: int, edge, trust: ssl.SSLContext, key: str) -> Result:
    verdict = judge(case.message)
    message = case.message
    if verdict.end == "border":
        # So that the edge ends the connection itself, at once and not by a limit on time.
        message += LAST
    message = message.replace(KEY, key.encode()).replace(NUMBER, b"case %04d" % number)
    data, ended = _exchange(message, edge.address, SOURCES[number % len(SOURCES)], trust)
    return Result(case, verdict, Answers(data), ended)


def _exchange(message: bytes, address: str, source: str, trust: ssl.SSLContext) -> tuple[bytes, bool]:
    """Sends the bytes and reads until the edge ends the connection, which its limits make it do in any case. Returns
    what came, and whether it did."""
    host, _, port = address.partition(":")
    plain = socket.create_connection((host, int(port)), timeout=WAIT_SECONDS, source_address=(source, 0))
    with trust.wrap_socket(plain, server_hostname=host) as connection:
        received, ended = b"", True
        try:
            connection.sendall(message)
            while data := connection.recv(65536):
                received += data
        except (ConnectionError, ssl.SSLEOFError):
            pass
        except TimeoutError:
            ended = False
        return received, ended
