"""More than 200 ambiguous HTTP/1.1 messages through a real edge to an upstream that counts, with llhttp as the judge of
where each message ends."""

import collections

import pytest
from world import STRICT

from .messages import CASES, LAXER, MARKER, Case
from .oracle import Answers, Verdict
from .run import Result, run
from .upstream import HARMLESS_TRAILERS, CountingUpstream, Seen

OF_ONE_HOP = [
    *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
    *(b"expect", b"x-drop"),
]


@pytest.fixture(scope="module")
def results(world) -> list[Result]:
    return run(CASES, world.edge(STRICT), world.trust, world.key, world.counting)


def faults(results: list[Result]) -> list[str]:
    """What is wrong with each result; empty where all is as it should be."""
    wrong = []
    for result in results:
        if len(result.seen) != result.answers.served:
            wrong.append(f"answers and upstream requests differ: {result}")
        if result.smuggled:
            wrong.append(f"the hidden request reached the upstream: {result}")
        if result.case.reason in LAXER:
            continue
        if len(result.seen) > result.verdict.chats:
            wrong.append(f"laxer than llhttp: {result}")
        elif len(result.seen) != result.expected:
            wrong.append(f"stricter than llhttp without a reason: {result}")
        elif result.case.reason and result.verdict.end == "refused":
            wrong.append(f"llhttp refuses it too, so it needs no reason: {result}")
    return wrong


def test_the_corpus_has_at_least_200_different_messages():
    assert len({case.message for case in CASES}) == len(CASES) >= 200


def test_the_edge_serves_exactly_the_requests_that_llhttp_sees(results):
    wrong = faults(results)
    assert not wrong, f"{len(wrong)} of {len(results)}:\n" + "\n".join(wrong)


def test_the_edge_ends_every_connection_itself(results):
    """But those behind a whole request that was served: they are kept for the next one."""
    waiting = [str(result) for result in results if not result.ended and not result.seen]
    assert not waiting, f"{len(waiting)}:\n" + "\n".join(waiting)


def test_each_kind_of_verdict_is_there_often(results):
    """Else the corpus would say less than it seems to."""
    ends = collections.Counter(result.verdict.end for result in results)
    assert min(ends[end] for end in ("border", "more", "refused")) >= 15, ends
    assert sum(bool(result.seen) for result in results) > 50


def test_what_is_refused_is_refused_with_a_clients_error(results):
    for result in results:
        if not result.seen and result.verdict.end == "refused":
            assert all(400 <= status < 500 or status == 505 for status in result.answers.statuses[-1:]), str(
                result
            )


def test_the_upstream_sees_whole_single_requests_only(results, world):
    assert not world.counting.faults
    for seen in (seen for result in results for seen in result.seen):
        assert seen.is_whole and seen.method == b"POST"
        assert seen.is_framed_once, seen.raw
        assert len(seen.values(b"host")) == 1
        assert {name for name, _ in seen.trailers} <= HARMLESS_TRAILERS, seen.raw
        for name in OF_ONE_HOP:
            assert not seen.values(name), (name, seen.raw)
        assert world.key.encode() not in seen.raw


@pytest.mark.parametrize(
    ("seen", "served", "chats", "reason", "words"),
    [
        (1, 1, 1, "", None),
        (0, 0, 0, "", None),
        (0, 0, 1, "no host", None),
        (2, 1, 1, "", "differ"),
        (1, 1, 0, "", "laxer"),
        (2, 2, 1, "", "laxer"),
        (0, 0, 1, "", "stricter"),
            ],
)
def test_the_judgement_can_fail(seen, served, chats, reason, words):
    answers = Answers(b"")
    answers.served = served
    result = Result(Case(b"x", reason), Verdict(chats), answers, seen=[Seen() for _ in range(seen)])
    found = faults([result])
    assert found == [] if words is None else any(words in fault for fault in found)
    refused = Result(Case(b"x", "no host"), Verdict(0, "refused"), Answers(b""))
    assert "needs no reason" in faults([refused])[0]


def test_a_smuggled_request_would_be_noticed():
    answers = Answers(b"")
    answers.served = 1
    result = Result(Case(b"x"), Verdict(1), answers, seen=[Seen(fields=[(MARKER, b"smuggled")])])
    assert "hidden" in faults([result])[0]


def test_the_counting_upstream_notices_what_is_not_one_request():
    from .upstream import _Reader

    upstream = CountingUpstream()
    try:
        whole = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
        assert len(_Reader(upstream).read(whole)) == 1 and not upstream.faults
        _Reader(upstream).read(whole + whole)
        _Reader(upstream).read(whole + whole[:9])
        half = _Reader(upstream)
        half.read(whole[:-1])
        half.end()
        with pytest.raises(OSError):
            _Reader(upstream).read(b"\x00")
        assert len(upstream.faults) == 4
    finally:
        upstream.close()
