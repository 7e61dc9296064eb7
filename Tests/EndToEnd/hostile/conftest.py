import dataclasses
import ssl

import pytest
from world import BESIEGED

from .connection import Target
from .siege import besiege

# Attacks that the edge does not withstand yet, by their place in a test's name. Each is a fault: it leaves this list when
# it is mended.
OPEN_FAULTS = {
    "a_byte_at_a_time[a HEADERS frame and then its CONTINUATION]": "nothing limits the time of a CONTINUATION",
    "over_http1_a_byte_at_a_time": "a head's end of time over HTTP/1.1 is not counted",
    "unpacks_to_far_more": "a header list that is too long is not counted",
    "carry_nothing[DATA of padding alone]": "padding counts as payload",
    "carry_nothing[unknown frames": "unknown frames are no overhead",
    "vast_when_unpacked[requests that do not end]": "the heads of open streams have no bound together",
    "bodies_that_do_not_end": "bodies that are held have no bound together",
    "no_greeting_is_lost": "an event of a closed connection reads from the descriptor that a new one has",
    "over_http1_that_never_reads": "pipelined requests are taken beyond their bound",
}


def pytest_collection_modifyitems(items):
    for item in items:
        for place, reason in OPEN_FAULTS.items():
            if place in item.nodeid:
                item.add_marker(pytest.mark.xfail(reason=reason))


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
