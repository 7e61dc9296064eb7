import dataclasses
import ssl

import pytest
from world import BESIEGED

from .connection import Target
from .siege import besiege

# Its limits are those of production.
DEFAULTS = "eu-west"


@pytest.fixture(scope="session")
def trust(world) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(world.fleet.ca_file))
    context.set_alpn_protocols(["h2"])
    return context


def target_of(world, region: str, trust: ssl.SSLContext) -> Target:
    host, _, port = world.edge(region).address.partition(":")
    return Target(host, int(port), trust, world.key)


@pytest.fixture
def siege(world, trust):
    """Attacks the edge that has production's limits."""
    return lambda attack, connections: besiege(world, DEFAULTS, target_of(world, DEFAULTS, trust), attack, connections)


@pytest.fixture
def strict_siege(world, trust):
    """Attacks the edge whose limits on time are short."""
    return lambda attack, connections: besiege(world, BESIEGED, target_of(world, BESIEGED, trust), attack, connections)


@pytest.fixture
def strict_http1_siege(world, trust):
    """The same, with attackers that speak HTTP/1.1."""
    target = target_of(world, BESIEGED, trust)
    http1 = dataclasses.replace(target, trust=world.trust)
    return lambda attack, connections: besiege(
        world, BESIEGED, target, lambda _, source: attack(http1, source), connections
    )
