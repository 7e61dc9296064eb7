"""Floods of cheap frames: each attacker is cut within its limit's number, and nobody else notices."""

import pytest

from .checks import assert_held
from .floods import EMPTY_FRAMES, PROVOKED_RESETS, RAPID_RESETS
from .key_updates import KEY_UPDATES

ATTACKERS = 100


@pytest.mark.parametrize("flood", RAPID_RESETS, ids=lambda flood: flood.name)
def test_rapid_reset(siege, flood):
    report = siege(flood, ATTACKERS)
    assert_held(report, *flood.reasons)


@pytest.mark.parametrize("flood", PROVOKED_RESETS, ids=lambda flood: flood.name)
def test_resets_provoked_from_our_side(siege, flood):
    report = siege(flood, ATTACKERS)
    assert_held(report, *flood.reasons)


@pytest.mark.parametrize("flood", EMPTY_FRAMES, ids=lambda flood: flood.name)
def test_frames_that_carry_nothing(siege, flood):
    report = siege(flood, ATTACKERS)
    assert_held(report, *flood.reasons)


@pytest.mark.parametrize("flood", KEY_UPDATES, ids=lambda flood: flood.name)
def test_new_keys_of_tls(siege, flood):
    assert_held(siege(flood, ATTACKERS), "key_update_flood")
