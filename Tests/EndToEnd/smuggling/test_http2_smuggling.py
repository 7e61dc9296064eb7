"""Requests over HTTP/2 whose fields would be other requests over HTTP/1.1, which their upstream speaks."""

import concurrent.futures
import dataclasses

import pytest
from devfleet.processes import wait_until
from hostile import frames
from hostile.connection import Connection, Target, target_of
from world import STRICT

from .requests import BODY_NUMBER, CASES, MARKER, SIZE, Case
from .run import SOURCES, active_exchanges
from .upstream import HARMLESS_TRAILERS, Seen

STREAM = 1


@dataclasses.dataclass
class Result:
    case: Case
    status: int | None
    was_cut: bool
    seen: list[Seen] = dataclasses.field(default_factory=list)

    def __str__(self):
        return f"{self.case.name}: status {self.status}, cut {self.was_cut}, {len(self.seen)} upstream"


@pytest.fixture(scope="module")
def results(world) -> list[Result]:
    target = dataclasses.replace(target_of(world, world.edge(STRICT)), model="counting")
    world.counting.reset()
    with concurrent.futures.ThreadPoolExecutor(len(SOURCES)) as pool:
        results = list(pool.map(lambda number: run(CASES[number], number, target), range(len(CASES))))
    wait_until(lambda: active_exchanges(world.edge(STRICT)) == 0, "the edge has ended every exchange")
    for seen in world.counting.seen:
        results[int(seen.content.removeprefix("case "))].seen.append(seen)
    return results


def run(case: Case, number: int, target: Target) -> Result:
    number_text = b"case %04d" % number
    fields = [
        (name, target.credential[1] if value == b"@KEY@" else value.replace(BODY_NUMBER, number_text))
        for name, value in case.fields
    ]
    body = case.body.replace(BODY_NUMBER, number_text)
    request = frames.headers(STREAM, frames.block(*fields), ends=not case.has_body)
    if case.has_body:
        request += frames.data(STREAM, body[:20], ends=False)
        request += frames.data(STREAM, body[20:], ends=case.trailers is None)
    if case.trailers is not None:
        request += frames.headers(STREAM, frames.block(*case.trailers))
    with Connection(target, SOURCES[number % len(SOURCES)]) as connection:
        connection.send(request)
        connection.until(lambda: connection.done(STREAM) or connection.goaways)
        was_cut = STREAM in connection.resets or connection.cut
        return Result(case, connection.statuses.get(STREAM), was_cut)


def test_the_corpus_is_large_enough():
    assert len({case.name for case in CASES}) == len(CASES) >= 100


def test_each_request_that_is_served_is_one_upstream(results):
    wrong = [str(result) for result in results if result.case.served and (result.status, len(result.seen)) != (200, 1)]
    assert not wrong, "\n".join(wrong)


def test_no_other_request_reaches_the_upstream(results):
    wrong = [str(result) for result in results if not result.case.served and (result.seen or result.status == 200)]
    assert not wrong, "\n".join(wrong)


def test_every_request_is_answered_or_cut(results):
    for result in results:
        assert result.was_cut or result.status is not None, str(result)


def test_the_upstream_sees_whole_single_requests_only(results, world):
    assert not world.counting.faults
    for seen in (seen for result in results for seen in result.seen):
        assert seen.is_whole and seen.method == b"POST"
        assert seen.target.partition(b"?")[0] == b"/v1/chat/completions"
        assert seen.is_framed_once and len(seen.body) == int(SIZE), seen.raw
        assert {name for name, _ in seen.trailers} <= HARMLESS_TRAILERS, seen.raw
        assert len(seen.values(b"host")) == 1
        assert not seen.values(MARKER) and not seen.values(b"te")
        assert not any(name.startswith(b":") for name, _ in seen.fields)
