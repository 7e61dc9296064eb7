"""Handshakes that do not end, and everything oversized or malformed."""

import itertools
import threading

import pytest

from .checks import assert_held
from .handshakes import GARBAGE, HALF_OPEN
from .malformed import AFTER_EDGES_GOAWAY, AFTER_OWN_GOAWAY, MALFORMED

ATTACKERS = 100


@pytest.mark.parametrize("attack", HALF_OPEN, ids=lambda attack: attack.name)
def test_a_handshake_that_does_not_end(strict_siege, attack):
    assert_held(strict_siege(attack, ATTACKERS), "handshake_timeout")


def in_turn(attacks):
    """One attack of many kinds: each connection takes the next."""
    turns, lock = itertools.cycle(attacks), threading.Lock()

    def attack(target, source):
        with lock:
            mine = next(turns)
        outcome = mine(target, source)
        outcome.words = f"{mine.name} {outcome.words}"
        return outcome

    return attack


def test_what_is_no_handshake(strict_siege):
    assert_held(strict_siege(in_turn(GARBAGE), ATTACKERS))


def test_what_breaks_the_grammar(strict_siege):
    assert_held(strict_siege(in_turn(MALFORMED), 2 * len(MALFORMED)))


def test_requests_after_a_goaway_of_their_own(siege):
    assert_held(siege(AFTER_OWN_GOAWAY, ATTACKERS))


def test_requests_after_the_edges_goaway(world, siege):
    report = siege(AFTER_EDGES_GOAWAY, ATTACKERS)
    bodies = [exchange.request.body for exchange in world.scripted.exchanges]
    assert not any(AFTER_EDGES_GOAWAY.content.encode() in body for body in bodies)
    assert_held(report)
