"""Edges and control planes of another version: of the one before this one, word for word, and of one to come."""

import hashlib
import secrets
import time
import uuid

import pytest
from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import wait_until
from world import chat_request

from survival.configurations import LINEAGE, MODEL, REGION, Configurations, identifier
from survival.contract import previous, to_come
from survival.fake_centre import FakeCentre
from survival.played_edge import PlayedEdge

# As Values/Endpoint.swift and Values/UsageRecord.swift number them.
CHAT, COMPLETED = 1, 1


@pytest.fixture(scope="module")
def before():
    return previous()


@pytest.fixture(scope="module")
def later():
    return to_come()


# MARK: edges of another version, a real control plane


def test_an_edge_of_the_version_before_is_served_in_its_own_words(world, before):
    operator = world.fleet.control_plane.operator
    digest = hashlib.sha256(world.key.encode()).digest()
    with PlayedEdge(before, world.fleet.control_plane, "eu-west") as edge:
        assert edge.region == "eu-west"
        with edge.following() as stream:
            parts = stream.next()
            assert parts[0].from_version == 0
            digests = {one.key.digest for part in parts for one in part.upserts}
            assert digest in digests, "keys do not come one by one"
            assert not unknown(before, parts), "there is more than an edge of the version before knows"
            kinds = {one.WhichOneof("kind") for part in parts for one in part.upserts}
            assert kinds == {"region", "upstream", "offer", "team", "key"}
            stream.acknowledge(parts[-1].version)
            wait_until(lambda: edge.row["version"] == parts[-1].version, "the acknowledgement counts")
            made = operator("key", "create", "--team", "tests")
            known = hashlib.sha256(made["key"].encode()).digest()
            delta = stream.until(lambda parts: known in {one.key.digest for part in parts for one in part.upserts})
            assert delta[0].from_version > 0 and not unknown(before, delta)
            name = next(one.key.id for part in delta for one in part.upserts if one.key.digest == known)
            operator("key", "revoke", made["summary"]["public_id"])
            last = stream.until(lambda parts: name in {one.key for part in parts for one in part.removals})
            wait_until(lambda: reported(stream, edge, 7), "the report counts", every=0.3)
        # Back with what it has: it gets what is newer, and not all again.
        with edge.following(lineage=last[-1].lineage, version=last[-1].version) as stream:
            made = operator("key", "create", "--team", "tests")
            known = hashlib.sha256(made["key"].encode()).digest()
            parts = stream.until(lambda parts: known in {one.key.digest for part in parts for one in part.upserts})
            assert parts[0].from_version > 0


def test_usage_of_an_edge_of_the_version_before_is_counted_once(world, before):
    with PlayedEdge(before, world.fleet.control_plane, "eu-west") as edge:
        ids = [new_id() for _ in range(3)]
        batch = before.UsageBatch(epoch=1, first_sequence=1, records=[record(before, one) for one in ids])
        for _ in range(2):
            watermark = edge.ship(batch)
            assert (watermark.epoch, watermark.sequence) == (1, 3)
        for one in ids:
            assert world.record(str(one))["edge"] == edge.id


def test_an_edge_of_a_version_to_come_is_served_as_far_as_this_one_goes(world, later):
    with PlayedEdge(later, world.fleet.control_plane, "eu-west") as edge:
        with edge.following(contract=99, mood="fine") as stream:
            parts = stream.next()
            # A kind of word that is not known here ends nothing.
            stream.say(mood="cheerful")
            stream.acknowledge(parts[-1].version)
            wait_until(lambda: reported(stream, edge, 11, mood=3), "the report counts", every=0.3)
            wait_until(lambda: edge.row["version"] == parts[-1].version, "the acknowledgement counts")
        # What can be read is counted; what cannot does not hold it up.
        ids = [new_id() for _ in range(3)]
        records = [record(later, ids[0], thoughts=1), record(later, ids[1], usage_source=9), record(later, ids[2])]
        assert edge.ship(later.UsageBatch(epoch=1, first_sequence=1, records=records, mood="fine")).sequence == 3
        for one in (ids[0], ids[2]):
            assert world.record(str(one))["edge"] == edge.id
        assert world.fleet.control_plane.usage(str(ids[1])) == []


# MARK: control planes of another version, a real edge


@pytest.fixture
def edge_at(world, tmp_path, scripted):
    """A real edge at a control plane that the test plays."""
    edges = []

    def start(centre: FakeCentre) -> Edge:
        edge = Edge(REGION, tmp_path / "edge", tmp_path / "logs", Ports(tmp_path), centre, world.fleet.authority)
        edges.append(edge)
        edge.start()
        return edge

    yield start
    for edge in edges:
        edge.child.stop()


def configurations_of(world, contract) -> Configurations:
    return Configurations(contract, world.scripted.url("http1"), world.key)


def test_a_control_plane_of_the_version_before_is_followed(world, before, tmp_path, edge_at):
    words = configurations_of(world, before)
    with FakeCentre(before, tmp_path, REGION) as centre:
        centre.greeting = [words.snapshot(5)]
        edge = edge_at(centre)
        wait_until(lambda: MODEL in edge.status_of_models(world.key)[1], "it serves", children=[edge.child])
        assert centre.hellos[0].version == 0
        request_id = asked(world, edge)
        other = "sk-strait-another"
        centre.say(words.update(5, 6, upserts=[words.offer(200, "later")]))
        wait_until(lambda: "later" in edge.status_of_models(world.key)[1], "a delta is applied")
        centre.say(words.update(6, 7, removals=[words.removal(key=identifier(3))]))
        wait_until(lambda: edge.status_of_models(world.key)[0] == 401, "a removed key is refused")
        centre.say(words.update(7, 8, upserts=[words.key(4, world.key), words.key(5, other)]))
        wait_until(lambda: edge.status_of_models(world.key)[0] == 200, "a key that came again is known")
        wait_until(lambda: len(centre.answers) >= 4 and centre.reports, "it answers and reports")
        assert [answer.version for answer in centre.answers] == [5, 6, 7, 8]
        assert all(type(answer).DESCRIPTOR.name == "ConfigurationAcknowledgement" for answer in centre.answers)
        wait_until(lambda: shipped(centre, request_id), "usage arrives")
        assert shipped(centre, request_id).output_tokens == 7
        # A start from the disk, which it says to have what it has.
        wait_until(lambda: (edge.data / "configuration.snapshot").exists(), "the configuration is on disk")
        centre.greeting = []
        edge.restart()
        wait_until(lambda: len(centre.hellos) > 1 and centre.hellos[-1].version, "it comes back with what it has")
        assert (centre.hellos[-1].lineage, centre.hellos[-1].version) == (LINEAGE, 8)
        assert edge.status_of_models(world.key)[0] == 200


def test_what_a_control_plane_of_a_version_to_come_says_beyond_this_one_is_refused_in_words(
    world, later, tmp_path, edge_at
):
    words = configurations_of(world, later)
    with FakeCentre(later, tmp_path, REGION) as centre:
        centre.greeting = [words.snapshot(5)]
        edge = edge_at(centre)
        wait_until(lambda: MODEL in edge.status_of_models(world.key)[1], "it serves", children=[edge.child])
        wait_until(lambda: centre.answers, "it has acknowledged")
        beyond = {
            "a field in the update": words.update(5, 6, upserts=[words.offer(200, "later")], mood="fine"),
            "a field in a team": words.update(5, 7, upserts=[words.team(90, motto="onwards")]),
            "a value of an enum": words.update(5, 8, upserts=[words.offer(200, "later", dialect=9)]),
        }
        for what, update in beyond.items():
            already = len(centre.answers)
            centre.say(update)
            wait_until(lambda already=already: len(centre.answers) > already, f"{what} is answered")
            answer = centre.answers[-1]
            assert type(answer).DESCRIPTOR.name == "ConfigurationRefusal" and answer.version == update.version, what
            assert "that this edge does not know" in answer.reason
            assert "later" not in edge.status_of_models(world.key)[1]
        centre.say(words.update(5, 9, upserts=[words.offer(200, "later")]))
        wait_until(lambda: "later" in edge.status_of_models(world.key)[1], "what it knows is taken afterwards")
        assert len(centre.hellos) == 1, "the stream was not kept"


# MARK: words


def unknown(contract, parts) -> bool:
    """Whether there is anything in it that this version of the contract has no name for."""

    def without(message) -> bytes:
        copy = type(message)()
        copy.CopyFrom(message)
        copy.DiscardUnknownFields()
        return copy.SerializeToString(deterministic=True)

    return any(without(part) != part.SerializeToString(deterministic=True) for part in parts)


def reported(stream, edge: PlayedEdge, spooled: int, **more) -> bool:
    """Says it again, as edges do every few seconds: not each report is written down."""
    stream.say(report=stream.contract.EdgeReport(spooled_records=spooled, lost_records=1, **more))
    return edge.row["spooled_records"] == spooled


def new_id() -> uuid.UUID:
    """A UUIDv7, as exchanges have."""
    milliseconds = time.time_ns() // 1_000_000
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62))


def record(contract, exchange: uuid.UUID, **more):
    kept = {
        "started_at": time.time_ns() // 1000,
        "endpoint": CHAT,
        "client_protocol": 20,
        "status": 200,
        "outcome": COMPLETED,
        "usage_source": 2,
        "input_tokens": 11,
        "output_tokens": 7,
        "attempts": 1,
        "dialect": 1,
        **more,
    }
    return contract.UsageRecord(id=exchange.bytes, **kept)


def asked(world, edge) -> str:
    with world.http(edge) as client:
        answer = client.post("/chat/completions", json=chat_request(MODEL))
    assert answer.status_code == 200
    return answer.headers["x-request-id"]


def shipped(centre: FakeCentre, request_id: str):
    wanted = uuid.UUID(request_id).bytes
    return next((one for one in list(centre.records.values()) if one.id == wanted), None)
