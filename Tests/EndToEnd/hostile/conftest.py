import dataclasses

import pytest
from world import BESIEGED

from .connection import target_of
from .siege import besiege

# Its limits are those of production.
DEFAULTS = "eu-west"


@pytest.fixture
def siege(world):
    """Attacks the edge that has production's limits."""
    return lambda attack, connections: besiege(world, DEFAULTS, target_of(world, world.edge(DEFAULTS)), attack, connections)


@pytest.fixture
def strict_siege(world):
    """Attacks the edge whose limits on time are short."""
    return lambda attack, connections: besiege(world, BESIEGED, target_of(world, world.edge(BESIEGED)), attack, connections)


@pytest.fixture
def strict_http1_siege(world):
    """The same, with attackers that speak HTTP/1.1."""
    target = target_of(world, world.edge(BESIEGED))
    http1 = dataclasses.replace(target, trust=world.trust)
    return lambda attack, connections: besiege(
        world, BESIEGED, target, lambda _, source: attack(http1, source), connections
    )
