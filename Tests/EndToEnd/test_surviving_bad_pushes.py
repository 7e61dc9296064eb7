"""Bad configurations pushed at an edge that streams to twenty clients. BadConfigurationTests has every kind that an edge
refuses; here some of each family come over a real link: each is refused in words, no stream is cut, nothing changes,
and the next start comes up on the last good one."""

import threading

import pytest
from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import wait_until
from scripted import scripts
from world import World, chat_request

from survival.configurations import MODEL, REGION, TEAM, Configurations, identifier
from survival.content_hashes import Held
from survival.contract import present
from survival.fake_centre import FakeCentre

STREAMS = 20
GOOD, KEYS = 5, 200
# Microseconds since 1970: long ago.
PAST = 1_000_000


class Streams:
    """Clients in the middle of answers that do not end."""

    def __init__(self, world: World, edge: Edge):
        self.pieces = [0] * STREAMS
        self.broken: list[str] = []
        self._world, self._edge = world, edge
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(number,)) for number in range(STREAMS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.all_go_on()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def all_go_on(self) -> None:
        """Until every client has got something new."""
        before = list(self.pieces)
        wait_until(
            lambda: self.broken or all(now > then for now, then in zip(self.pieces, before)), "every stream goes on"
        )
        assert not self.broken, self.broken

    def _read(self, number: int) -> None:
        try:
            with self._world.http(self._edge, http2=number % 2 == 0) as client:
                with client.stream("POST", "/chat/completions", json=chat_request(MODEL, stream=True)) as answer:
                    assert answer.status_code == 200
                    for _ in answer.iter_raw():
                        self.pieces[number] += 1
                        if self._stop.is_set():
                            return
                    self.broken.append("ended")
        except Exception as error:
            self.broken.append(repr(error))


def bad_pushes(words: Configurations) -> dict:
    """By what is wrong with them: the update, which claims a version of its own, and words of the refusal."""
    contract = words.contract
    next_version = iter(range(GOOD + 1, 1000))

    def delta(**more):
        return words.update(GOOD, next(next_version), **more)

    def snapshot(change=lambda update: None, **more):
        update = words.snapshot(next(next_version), keys=KEYS, **more)
        change(update)
        return update

    def emptied(update):
        update.packed_keys = b""
        del update.upserts[:]
        update.upserts.append(words.region())

    def doubled(update):
        update.upserts.extend(list(update.upserts))

    def misnamed(update):
        update.content_hash = Held().apply([update]).hash()
        update.upserts[-2].team.name = "misread"

    return {
        "empty": (snapshot(emptied), "would be gone"),
        "half of the teams gone": (snapshot(teams=20), "would be gone at once"),
        "half of the offers gone": (snapshot(offers=10), "would be gone at once"),
        "every key's secret another": (
            delta(packed_keys=words.packed_keys(KEYS, secret="other-")),
            "200 of 201 keys would be gone at once",
        ),
        "every key's end in the past": (
            delta(packed_keys=words.packed_keys(KEYS, expires_at=PAST)),
            "200 of 201 keys would be gone at once (200 ended by a change)",
        ),
        "every team suspended with its keys left in": (
            delta(upserts=[words.team(TEAM + number, suspended=True) for number in range(40)]),
            "all 201 keys would be gone (201 suspended with their team)",
        ),
        "every offer of another model": (
            delta(upserts=[words.offer(100 + number, f"other-{number}") for number in range(20)]),
            "all 20 offers would be gone",
        ),
        "doubled": (snapshot(doubled), "twice"),
        "a team twice": (delta(upserts=[words.team(90), words.team(90)]), "twice"),
        "an upstream by another's name": (delta(upserts=[words.upstream(50)]), "two upstreams have the name"),
        "two keys of one digest": (delta(upserts=[words.key(51, "k"), words.key(52, "k")]), "two keys of one digest"),
        "a key of no team": (delta(upserts=[words.key(51, "k", team=900)]), "names a team that does not exist"),
        "an offer of no upstream": (
            delta(upserts=[words.offer(300, "x", upstream_id=identifier(900))]),
            "names an upstream that does not exist",
        ),
        "the region gone": (delta(removals=[words.removal(region=REGION)]), "which does not exist"),
        "the team of the key gone": (
            delta(removals=[words.removal(team=identifier(TEAM))]),
            "a key names a team that does not exist",
        ),
        "huge": (delta(upserts=[words.team(90, name="x" * 100_000)]), "of more than 63 bytes"),
        "three hundred teams more": (delta(upserts=[words.team(1000 + one) for one in range(300)]), "teams where"),
        "a line break in a credential": (
            delta(upserts=[words.upstream(50, "other", credential_style=2, credential=b"a\r\nb")]),
            "a request cannot carry",
        ),
        "an origin that is none": (delta(upserts=[words.upstream(50, "other", origin="host")]), "origin is not"),
        "packed keys cut short": (delta(packed_keys=words.packed_key(51, "k")[:-1]), "in the middle of one"),
        "half a content hash": (delta(upserts=[words.team(90)], content_hash=b"half"), "a content hash of"),
        "a broken hash": (delta(upserts=[words.team(90)], content_hash=b"h" * 32), "does not match its hash"),
        "a broken hash of everything": (snapshot(misnamed), "does not match its hash"),
        "an older version": (words.update(0, 4, upserts=words.snapshot(4).upserts), "older than version 5"),
        "a kind to come": (delta(upserts=[contract.Resource()]), "does not know"),
    }


@pytest.fixture
def edge(world, tmp_path):
    words = Configurations(present(), world.scripted.url("http1"), world.key)
    with FakeCentre(words.contract, tmp_path, REGION) as centre:
        centre.greeting = [words.snapshot(GOOD, keys=KEYS)]
        edge = Edge(REGION, tmp_path / "edge", tmp_path / "logs", Ports(tmp_path), centre, world.fleet.authority)
        edge.words, edge.centre = words, centre
        edge.start()
        yield edge
        edge.child.stop()


def test_no_bad_push_cuts_a_stream_or_survives_a_restart(world, scripted, edge):
    centre = edge.centre
    wait_until(lambda: MODEL in edge.status_of_models(world.key)[1], "it serves", children=[edge.child])
    models = edge.status_of_models(world.key)[1]
    with scripted.doing(scripts.endless()), Streams(world, edge) as streams:
        for what, (update, words) in bad_pushes(edge.words).items():
            already = len(centre.answers)
            centre.say(update)
            wait_until(lambda already=already: len(centre.answers) > already, f"{what}: it is answered")
            answer = centre.answers[-1]
            assert type(answer).DESCRIPTOR.name == "ConfigurationRefusal", what
            assert answer.version == update.version and words in answer.reason, (what, answer.reason)
            assert not streams.broken, (what, streams.broken)
        streams.all_go_on()
        assert edge.status_of_models(world.key) == (200, models)
        assert len(centre.hellos) == 1, "the link was not kept"
    assert edge.log.read_text().count("configuration refused") == len(bad_pushes(edge.words))
    # With nobody to ask: what was refused is not what is on the disk.
    centre.stop()
    edge.restart(kill=True)
    wait_until(lambda: edge.status_of_models(world.key) == (200, models), "it serves the last good one")
    # And what is good is taken afterwards.
    centre.greeting = []
    centre.start()
    wait_until(lambda: len(centre.hellos) > 1, "it comes back")
    assert centre.hellos[-1].version == GOOD
    good = edge.words.update(GOOD, 500, upserts=[edge.words.offer(300, "good")])
    good.content_hash = Held().apply([edge.words.snapshot(GOOD, keys=KEYS)]).apply([good]).hash()
    centre.say(good)
    wait_until(lambda: "good" in edge.status_of_models(world.key)[1], "a good one is taken")
