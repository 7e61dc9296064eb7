"""The edge's HTTP/1.1 parser beside llhttp: never more lenient, and never of another opinion about a message's borders."""

import random

import corpus
import llhttp
import pytest
from probe import seed, verdicts


def _kind_of(verdict: str) -> str:
    return verdict.split(" ", 1)[0]


def _disagreement(ours: str, theirs: str) -> str | None:
    """Why two verdicts contradict each other in a way that could smuggle a request; None when they do not."""
    if _kind_of(ours) == "refused":
        return None
    # The edge looks at fields when the head is whole; llhttp may have seen the fault by then.
    if _kind_of(ours) == "more" and _kind_of(theirs) == "refused":
        return None
    if _kind_of(ours) != _kind_of(theirs):
        return f"ours: {ours}; llhttp: {theirs}"
    if _kind_of(ours) == "whole" and ours != theirs:
        return f"other contents: ours {ours}; llhttp {theirs}"
    return None


def test_the_corpus_is_large_enough():
    assert len(corpus.SAME) + len(corpus.STRICTER) >= 100


def test_good_bad_and_unfinished_messages_come_out_as_in_llhttp():
    ours = verdicts(corpus.SAME)
    wrong = []
    for (kind, message), mine in zip(corpus.SAME, ours, strict=True):
        theirs = llhttp.verdict(kind, message)
        same = mine == theirs or _kind_of(mine) == _kind_of(theirs) == "refused"
        if not same:
            wrong.append(f"{message!r}: ours {mine}; llhttp {theirs}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("reason", corpus.STRICTER)
def test_the_edge_refuses_what_llhttp_takes(reason):
    kind, message = corpus.STRICTER[reason]
    assert _kind_of(verdicts([(kind, message)])[0]) == "refused"
    assert _kind_of(llhttp.verdict(kind, message)) != "refused", "llhttp refuses it too now: move it to SAME"


def test_the_comparison_can_fail():
    whole = verdicts([("r", corpus.SAME[2][1])])[0]
    assert _kind_of(whole) == "whole"
    assert _disagreement(whole, "refused x")
    assert _disagreement(whole, whole.replace("504f5354", "504f5355"))
    assert not _disagreement("refused x", whole)


def test_damaged_messages_are_never_read_in_two_ways():
    """Bytes are changed, left out, doubled and put in; the seed is printed and can be set with STRAIT_SEED."""
    choice = random.Random(seed())
    spice = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b";", b"\x00", b"0", b"5", b"chunked", b"\xff", b"Content-Length: 3\r\n"]
    documents = []
    for _ in range(6_000):
        kind, message = choice.choice(corpus.SAME)
        damaged = bytearray(message)
        for _ in range(choice.randint(1, 3)):
            # The method stays whole: llhttp knows a list of methods, and the edge's routes know theirs.
            at = choice.randrange(min(8, len(damaged)), len(damaged) + 1)
            operation = choice.randrange(4)
            if operation == 0:
                damaged[at : at + 1] = choice.choice(spice)
            elif operation == 1:
                del damaged[at : at + 1]
            elif operation == 2:
                damaged[at:at] = choice.choice(spice)
            else:
                damaged[at:at] = damaged[at : at + choice.randint(1, 20)]
        documents.append((kind, bytes(damaged)))
    wrong = []
    whole = 0
    for (kind, message), mine in zip(documents, verdicts(documents), strict=True):
        theirs = llhttp.verdict(kind, message)
        whole += _kind_of(mine) == "whole"
        if reason := _disagreement(mine, theirs):
            wrong.append(f"{message!r}: {reason}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:20])
    assert whole > 500, "the damage leaves too little to compare"
