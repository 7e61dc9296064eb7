"""The suite's own judges can fail."""

import concurrent.futures
import dataclasses

import pytest

from . import frames
from .checks import assert_bounded, assert_held
from .hoards import together
from .siege import MEMORY_LIMIT_BYTES, Outcome, Report
from .victims import _Group

GOOD = Report([Outcome(cut=True)] * 2, {"glitches": 2}, 0, [], True)


def test_a_good_report_passes():
    assert_held(GOOD, "glitches")
    assert_bounded(GOOD)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"edge_lives": False}, "died"),
        ({"outcomes": [Outcome(cut=True), Outcome(cut=False, words="no handshake", met=False)]}, "no handshake"),
        ({"victim_faults": ["stream 1: was reset"]}, "was reset"),
        ({"growth_bytes": MEMORY_LIMIT_BYTES + 1}, "memory"),
        ({"outcomes": [Outcome(cut=True), Outcome(cut=False)]}, "1 not cut"),
        ({"outcomes": [Outcome(cut=True), Outcome(cut=True, tolerated=False)]}, "before their limit"),
        ({"refused": {"glitches": 1}}, "not counted"),
        ({"refused": {"ping_flood": 2}}, "not counted"),
    ],
)
def test_whatever_is_wrong_is_noticed(change, words):
    with pytest.raises(AssertionError, match=words):
        assert_held(dataclasses.replace(GOOD, **change), "glitches")


def test_hoards_are_measured_while_all_are_held():
    holding, at_the_height = [], []

    def hoard(number, _, keep):
        holding.append(number)
        keep()
        holding.remove(number)

    attack = together(hoard, 5, lambda: at_the_height.append(len(holding)))
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        list(pool.map(attack, range(5), range(5)))
    assert (at_the_height, holding) == ([5], [])


def victim(*events: str, ended=True, status=200) -> _Group:
    group = _Group(None, 1)
    group.resets, group.statuses, group.goaways = {}, {1: status}, []
    group.ended = {1} if ended else set()
    group.bodies = {1: bytearray("".join(f"data: {event}\n\n" for event in events).encode())}
    return group


def chunk(number: int) -> str:
    return f'{{"choices": [{{"index": 0, "delta": {{"content": "{number}"}}}}]}}'


END = ['{"choices":[],"sent":2}', "[DONE]"]


def test_a_whole_stream_is_whole():
    assert victim(chunk(0), chunk(1), *END).faults() == []


@pytest.mark.parametrize(
    "group",
    [
        victim(chunk(0), *END),
        victim(chunk(1), chunk(0), *END),
        victim(chunk(0), chunk(1), END[0]),
        victim(chunk(0), chunk(1), *END, ended=False),
        victim(chunk(0), chunk(1), *END, status=503),
    ],
    ids=["a chunk is missing", "out of order", "no end mark", "not ended", "refused"],
)
def test_a_stream_that_is_not_whole_is_noticed(group):
    assert len(group.faults()) == 1


def test_a_stream_that_was_reset_is_noticed():
    group = victim(chunk(0), chunk(1), *END)
    group.resets = {1: frames.INTERNAL_ERROR}
    assert "was reset" in group.faults()[0]
