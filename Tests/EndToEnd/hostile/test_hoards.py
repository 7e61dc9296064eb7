"""Clients that make an edge hold as much as they can and break no rule of a single stream. Each test has an edge of its
own: memory that an earlier attack has had from the system may be there for the next one without any growth."""

import pytest
from scripted import Exchange
from scripted.scripts import EVENTS, chat_events
from world import BESIEGED

from .checks import assert_bounded
from .conftest import DEFAULTS
from .hoards import ANSWER_HOARDS, BODY_HOARDS, HEADER_HOARDS, together

ATTACKERS = 100
PIECE_BYTES = 16 << 10


@pytest.mark.parametrize("hoard", HEADER_HOARDS, ids=lambda hoard: hoard.name)
def test_heads_that_are_vast_when_unpacked(restarted, strict_siege, hoard):
    restarted(BESIEGED)
    assert_bounded(strict_siege(together(hoard, ATTACKERS), ATTACKERS))


@pytest.mark.parametrize("hoard", BODY_HOARDS, ids=lambda hoard: hoard.name)
def test_bodies_that_do_not_end(restarted, strict_siege, hoard):
    restarted(BESIEGED)
    assert_bounded(strict_siege(together(hoard, ATTACKERS), ATTACKERS))


@pytest.mark.parametrize("hoard", HEADER_HOARDS + BODY_HOARDS, ids=lambda hoard: hoard.name)
def test_hoards_with_productions_limits(restarted, siege, hoard):
    restarted(DEFAULTS)
    assert_bounded(siege(together(hoard, ATTACKERS), ATTACKERS))


@pytest.mark.parametrize("hoard", ANSWER_HOARDS, ids=lambda hoard: hoard.name)
def test_answers_that_are_not_taken(restarted, siege, scripted, hoard):
    restarted(DEFAULTS)
    with scripted.doing(quiet_after(hoard.answer_bytes)):
        attack = together(hoard, ATTACKERS, lambda: scripted.until_at_rest(of_hoards))
        assert_bounded(siege(attack, ATTACKERS))


@pytest.fixture
def restarted(world):
    """Gives an edge of the fleet a new process."""
    return lambda region: world.edge(region).restart()


def quiet_after(count: int):
    """A stream of so many bytes of text that does not end."""

    async def script(exchange: Exchange):
        await exchange.head(200, EVENTS)
        for start in range(0, count, PIECE_BYTES):
            text = "x" * min(PIECE_BYTES, count - start)
            await exchange.write(chat_events("scripted", [text], None, False)[1].encode())
        await exchange.until_gone()

    return script


def of_hoards(exchange: Exchange) -> bool:
    return b'"hoard"' in exchange.request.body
