"""What updates say that the configuration comes to, beside what a reader of the contract makes of them."""

import hashlib
import time

import pytest
from devfleet.processes import wait_until

from survival.content_hashes import Held
from survival.contract import present
from survival.played_edge import PlayedEdge

LEVEL = 5


@pytest.fixture(scope="module")
def contract():
    return present()


def comes_to(held: Held, parts) -> bool:
    assert not any(part.content_hash for part in parts[:-1])
    assert len(parts[-1].content_hash) == 32, "no hash is sent"
    return held.apply(parts).hash(parts[-1].hashed_from_day) == parts[-1].content_hash


def test_everything_and_each_change_come_to_what_the_control_plane_says(world, contract):
    operator = world.fleet.control_plane.operator
    for region in ("eu-west", "us-east"):
        with PlayedEdge(contract, world.fleet.control_plane, region) as edge, edge.following(contract=LEVEL) as stream:
            held = Held()
            parts = stream.next()
            assert parts[0].from_version == 0 and comes_to(held, parts)
            stream.acknowledge(held.version)
            changes = [
                lambda: operator("key", "create", "--team", "tests"),
                lambda: operator("key", "create", "--team", "tests", "--valid-for", "90d"),
            ]
            for change in changes:
                made = change()
                known = hashlib.sha256(made["key"].encode()).digest()
                while not any(known in part.packed_keys for part in parts):
                    parts = stream.next()
                    assert parts[0].from_version > 0 and comes_to(held, parts)
                    stream.acknowledge(held.version)
                version = held.version
                operator("key", "revoke", made["summary"]["public_id"])
                while held.version == version:
                    assert comes_to(held, stream.next())
                    stream.acknowledge(held.version)


def test_who_refuses_a_change_gets_everything_and_goes_on_from_there(world, contract):
    operator = world.fleet.control_plane.operator
    with PlayedEdge(contract, world.fleet.control_plane, "eu-west") as edge, edge.following(contract=LEVEL) as stream:
        held = Held()
        assert comes_to(held, stream.next())
        stream.acknowledge(held.version)
        made = operator("key", "create", "--team", "tests")
        refused = stream.next()[-1].version
        stream.say(refusal=contract.ConfigurationRefusal(version=refused, reason="the content does not match its hash"))
        parts = stream.next()
        assert parts[0].from_version == 0 and comes_to(held, parts)
        stream.acknowledge(held.version)
        operator("key", "revoke", made["summary"]["public_id"])
        parts = stream.next()
        assert parts[0].from_version > 0 and comes_to(held, parts)


def test_who_holds_something_else_than_it_should_is_sent_everything(world, contract):
    operator = world.fleet.control_plane.operator
    from_day = int(time.time()) // 86_400 + 2
    with PlayedEdge(contract, world.fleet.control_plane, "eu-west") as edge, edge.following(contract=LEVEL) as stream:
        held = Held()

        def take(parts, content_hash=None) -> None:
            held.apply(parts)
            stream.acknowledge(
                held.version, content_hash=content_hash or held.hash(from_day), hashed_from_day=from_day
            )

        take(stream.next())
        # What is right brings nothing: the next update is a change.
        made = operator("key", "create", "--team", "tests", "--valid-for", "90d")
        parts = stream.next()
        assert parts[0].from_version == held.version
        take(parts, content_hash=bytes(32))
        while (parts := stream.next())[0].from_version:
            take(parts, content_hash=bytes(32))
        wait_until(lambda: "is not what that version has" in edge.row.get("refusal", ""), "it shows")
        take(parts)
        wait_until(lambda: not edge.row.get("refusal"), "nothing is wrong any more")
        operator("key", "revoke", made["summary"]["public_id"])
        parts = stream.next()
        assert parts[0].from_version == held.version
        take(parts)
