"""Clients that ask and do not take the answers."""

import pytest
from scripted import scripts

from .checks import assert_held
from .readers import DRIP_READERS, LAST_WORDS, NEVER_READS, NEVER_READS_HTTP1, NO_WINDOWS

ATTACKERS = 100
MEGABYTE = "x" * (1 << 20)


@pytest.fixture
def big_answers(world):
    with world.scripted.doing(scripts.chat(MEGABYTE)):
        yield


@pytest.mark.parametrize("attack", NEVER_READS, ids=lambda attack: attack.name)
def test_a_peer_that_never_reads(strict_siege, big_answers, attack):
    reasons = ("queued_frames", "slow_reader", "ping_flood", "settings_flood", "glitches", "overhead")
    assert_held(strict_siege(attack, attack.connections), *reasons)


@pytest.mark.parametrize("attack", NEVER_READS_HTTP1, ids=lambda attack: attack.name)
def test_a_peer_over_http1_that_never_reads(strict_http1_siege, attack):
    assert_held(strict_http1_siege(attack, ATTACKERS), "slow_reader")


@pytest.mark.parametrize("attack", DRIP_READERS, ids=lambda attack: attack.name)
def test_a_peer_that_takes_a_drop_at_a_time(strict_siege, big_answers, attack):
    assert_held(strict_siege(attack, ATTACKERS), "slow_reader")


@pytest.mark.parametrize("attack", NO_WINDOWS, ids=lambda attack: attack.name)
def test_a_peer_that_leaves_the_edges_own_answers(strict_siege, attack):
    assert_held(strict_siege(attack, ATTACKERS), "slow_reader")


async def end_without_an_empty_line(exchange):
    """The edge holds the event back until the end says that it is whole."""
    await exchange.head(200, scripts.EVENTS)
    await exchange.write(b"data: [DONE]\n")
    await exchange.end()


def test_a_peer_that_leaves_what_only_the_end_of_a_stream_brought(world, strict_siege):
    with world.scripted.doing(end_without_an_empty_line):
        assert_held(strict_siege(LAST_WORDS, ATTACKERS), "slow_reader")
