"""Clients that make an edge hold as much as they can and break no rule of a single stream."""

import pytest

from .checks import assert_bounded
from .hoards import BODY_HOARDS, HEADER_HOARDS

ATTACKERS = 100


@pytest.mark.parametrize("hoard", HEADER_HOARDS, ids=lambda hoard: hoard.name)
def test_heads_that_are_vast_when_unpacked(strict_siege, hoard):
    assert_bounded(strict_siege(hoard, ATTACKERS))


@pytest.mark.parametrize("hoard", BODY_HOARDS, ids=lambda hoard: hoard.name)
def test_bodies_that_do_not_end(strict_siege, hoard):
    assert_bounded(strict_siege(hoard, ATTACKERS))


@pytest.mark.parametrize("hoard", HEADER_HOARDS + BODY_HOARDS, ids=lambda hoard: hoard.name)
def test_hoards_with_productions_limits(siege, hoard):
    assert_bounded(siege(hoard, ATTACKERS))
