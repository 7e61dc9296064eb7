"""Header blocks without end, drop by drop, and vast when unpacked."""

import pytest

from .blocks import CONTINUATION_FLOODS, HEAD_DRIPS, HEADER_BOMBS, HEADER_DRIPS
from .checks import assert_held

ATTACKERS = 100


@pytest.mark.parametrize("flood", CONTINUATION_FLOODS, ids=lambda flood: flood.name)
def test_a_header_block_in_ever_more_frames(siege, flood):
    assert_held(siege(flood, ATTACKERS), "protocol_error", "glitches")


@pytest.mark.parametrize("drip", HEADER_DRIPS, ids=lambda drip: drip.name)
def test_a_header_block_a_byte_at_a_time(strict_siege, drip):
    assert_held(strict_siege(drip, ATTACKERS), "head_timeout")


@pytest.mark.parametrize("drip", HEAD_DRIPS, ids=lambda drip: drip.name)
def test_a_head_over_http1_a_byte_at_a_time(strict_http1_siege, drip):
    assert_held(strict_http1_siege(drip, ATTACKERS), "head_timeout")


@pytest.mark.parametrize("bomb", HEADER_BOMBS, ids=lambda bomb: bomb.name)
def test_a_header_block_that_unpacks_to_far_more(siege, bomb):
    assert_held(siege(bomb, ATTACKERS), "header_bomb")
