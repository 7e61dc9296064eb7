"""A change reaches one edge first; where exchanges begin to fail there, it is taken back and nobody else ever
had it."""

import contextlib
import http.server
import secrets
import threading

import httpx
import pytest
from devfleet.catalogue import Offer, Upstream
from devfleet.processes import wait_until
from devfleet.workplace import write_private
from world import INPUT_PRICE, OUTPUT_PRICE, World, chat_request


@pytest.fixture
def refusing_provider():
    """A provider that refuses every credential."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            body = b'{"error":{"message":"wrong credential","type":"invalid_request_error"}}'
            self.send_response(401)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Clients:
    """One at every edge, each on a thread of its own, within `with`."""

    def __init__(self, world: World):
        self.world = world
        self.stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(region,)) for region in world.fleet.edges]

    def _ask(self, region: str) -> None:
        raise NotImplementedError

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self._threads:
            thread.join(60)


class Traffic(Clients):
    """Clients of one model at every edge, and what each edge answered."""

    def __init__(self, world: World, model: str, pause_seconds=0.02):
        super().__init__(world)
        self.model, self.pause_seconds = model, pause_seconds
        self.statuses = {region: [] for region in world.fleet.edges}

    def _ask(self, region):
        with self.world.http(region) as client:
            while not self.stop.wait(self.pause_seconds):
                with contextlib.suppress(httpx.TransportError):
                    answer = client.post("/chat/completions", json=chat_request(self.model))
                    self.statuses[region].append(answer.status_code)


class Strangers(Clients):
    """Clients without a key at every edge, as many requests as these answer."""

    def __init__(self, world: World):
        super().__init__(world)
        self.answered = {region: 0 for region in world.fleet.edges}

    def _ask(self, region):
        with self.world.http(region, key="sk-strait-nobody") as client:
            while not self.stop.is_set():
                with contextlib.suppress(httpx.TransportError):
                    assert client.post("/chat/completions", json=chat_request()).status_code == 401
                    self.answered[region] += 1


def judged(world: World, target: int) -> dict:
    """The rollout of a version, once it has come to an end or a halt."""

    def ended():
        rollouts = world.fleet.control_plane.operator("rollout", "list")
        found = [one for one in rollouts if one["target"] == target]
        return found[0] if found and found[0]["state"] != "running" else None

    return wait_until(ended, f"the rollout of version {target} has ended", seconds=120, every=0.2)


def newest(world: World) -> int:
    return world.fleet.control_plane.operator("version", "list", "--limit", "1")[0]["version"]


def settled(world: World):
    """Until no rollout is on its way; the versions that edges run are the newest then."""
    control_plane = world.fleet.control_plane

    def done():
        newest = control_plane.operator("version", "list", "--limit", "1")[0]
        edges = [edge for edge in control_plane.operator("edge", "list") if edge["connected"]]
        return newest["everywhere"] and all(edge["version"] == newest["version"] for edge in edges)

    wait_until(done, "every edge runs the newest version", seconds=120, every=0.2)


def add_model(world: World, model: str) -> None:
    world.fleet.catalogue.add_offers([Offer(model, "scripted-http1", "openai", INPUT_PRICE, OUTPUT_PRICE)])
    settled(world)


def test_a_bad_offer_hurts_one_edge_and_takes_itself_back(world, scripted, refusing_provider):
    catalogue, operator = world.fleet.catalogue, world.fleet.control_plane.operator
    add_model(world, "rolled-out")
    catalogue.add_upstreams([Upstream("refusing-provider", "us-east", refusing_provider)])
    settled(world)
    with Traffic(world, "rolled-out") as traffic:
        wait_until(lambda: all(map(len, traffic.statuses.values())), "every edge has answered")
        before = newest(world)
        catalogue.add_offers(
            [Offer("rolled-out", "refusing-provider", "openai", INPUT_PRICE, OUTPUT_PRICE, weight=500)]
        )
        rollout = judged(world, before + 1)
        settled(world)
    assert rollout["state"] == "rolled_back", rollout
    assert "errors rose at the first edge" in rollout["reason"]
    hurt = {region for region, statuses in traffic.statuses.items() if 401 in statuses}
    assert hurt == {rollout["region"]}
    assert all(statuses[-1] == 200 for statuses in traffic.statuses.values())
    assert "refusing-provider" not in {offer["upstream"] for offer in operator("offer", "list")}


def test_a_model_that_vanishes_under_its_clients_comes_back_by_itself(world, scripted):
    operator = world.fleet.control_plane.operator
    add_model(world, "asked-for")
    with Traffic(world, "asked-for") as traffic:
        wait_until(lambda: all(map(len, traffic.statuses.values())), "every edge has answered")
        before = newest(world)
        operator("offer", "remove", "asked-for")
        rollout = judged(world, before + 1)
        settled(world)
    assert rollout["state"] == "rolled_back", rollout
    assert "errors rose at the first edge" in rollout["reason"]
    hurt = {region for region, statuses in traffic.statuses.items() if 404 in statuses}
    assert hurt == {rollout["region"]}
    assert all(statuses[-1] == 200 for statuses in traffic.statuses.values())
    # The control: where nobody asks for it, it goes.
    operator("offer", "remove", "asked-for")
    settled(world)
    assert "asked-for" not in {offer["model"] for offer in operator("offer", "list")}


def test_clients_without_a_key_hide_no_failure(world, scripted, refusing_provider):
    """Twenty requests without a key for each with one, and all of these fail: that is everything, and not 5 %."""
    catalogue, operator = world.fleet.catalogue, world.fleet.control_plane.operator
    add_model(world, "drowned-out")
    catalogue.add_upstreams([Upstream("another-refusing-provider", "us-east", refusing_provider)])
    settled(world)
    with Strangers(world) as strangers, Traffic(world, "drowned-out", pause_seconds=1.0) as traffic:
        wait_until(
            lambda: all(
                strangers.answered[region] > 20 * len(statuses) > 0
                for region, statuses in traffic.statuses.items()
            ),
            "strangers are many",
            seconds=60,
        )
        before = newest(world)
        catalogue.add_offers(
            [
                Offer(
                    "drowned-out", "another-refusing-provider", "openai", INPUT_PRICE, OUTPUT_PRICE, weight=500
                )
            ]
        )
        rollout = judged(world, before + 1)
    assert rollout["state"] == "rolled_back", rollout
    assert "another-refusing-provider" not in {offer["upstream"] for offer in operator("offer", "list")}
    settled(world)


def test_a_rollout_is_shown_and_taken_back_by_hand(world, scripted):
    control_plane = world.fleet.control_plane
    operator = control_plane.operator
    settled(world)
    before = newest(world)
    world.fleet.catalogue.add_offers(
        [Offer("unwanted", "scripted-http1", "openai", INPUT_PRICE, OUTPUT_PRICE)]
    )
    running = operator("rollout", "list", "--limit", "1")[0]
    assert (running["target"], running["state"], running["pace"]) == (before + 1, "running", "watched")
    shown = operator("rollout", "show", running["number"])
    assert [edge["edge"] for edge in shown["edges"]] == [running["canary"]]
    assert control_plane.run_operator("rollout", "resume", running["number"]).returncode == 1
    assert operator("rollout", "abort", running["number"])["state"] == "rolled_back"
    settled(world)
    words = control_plane.run_operator("rollout", "show", running["number"]).stdout
    assert "aborted by" in words and str(before + 2) in words
    assert "unwanted" not in {offer["model"] for offer in operator("offer", "list")}
    again = control_plane.run_operator("rollout", "abort", running["number"])
    assert again.returncode == 1 and "has ended already" in again.stderr


def test_another_credential_and_another_price_are_in_force_from_then_on(world, scripted, tmp_path):
    """Through the programs: what an operator does when an edge was stolen, and when a provider's prices change."""
    control_plane = world.fleet.control_plane
    operator = control_plane.operator
    old, new = tmp_path / "old", tmp_path / "new"
    for file in (old, new):
        write_private(file, f"credential-{secrets.token_hex(8)}\n")
    world.fleet.catalogue.add_upstreams(
        [Upstream("replaced", "us-east", world.scripted.url("http1"), "http1", "bearer", old)]
    )
    world.fleet.catalogue.add_offers([Offer("replaced-model", "replaced", "openai", "1", "2")])
    settled(world)

    def ask() -> tuple[str, dict]:
        with world.http() as client:
            answer = client.post("/chat/completions", json=chat_request("replaced-model"))
        assert answer.status_code == 200
        return scripted.last.request.header("authorization"), world.record(answer.headers["x-request-id"])

    sent, first = ask()
    assert sent == f"Bearer {old.read_text().strip()}"
    changed = control_plane.run_operator("upstream", "update", "replaced", "--credential-file", new)
    assert changed.returncode == 0 and "replaced changed" in changed.stdout
    assert new.read_text().strip() not in changed.stdout + changed.stderr
    operator("offer", "update", "replaced-model", "--input-price", "2", "--output-price", "4")
    settled(world)
    sent, second = ask()
    assert sent == f"Bearer {new.read_text().strip()}"
    assert 0 < second["cost_nano_usd"] == 2 * first["cost_nano_usd"]
    operator("offer", "remove", "replaced-model")
    settled(world)
    for record in (first, second):
        # Unlike its name, what it cost did not go with it; and its name is remembered too.
        assert world.record(record["request_id"]) == record
    assert "replaced-model" not in world.edge().status_of_models(world.key)[1]


def test_a_version_is_shown_and_gone_back_to(world, scripted):
    control_plane = world.fleet.control_plane
    add_model(world, "kept-model")
    good = control_plane.operator("version", "list", "--limit", "1")[0]["version"]
    add_model(world, "dropped-model")
    shown = control_plane.run_operator("version", "show", good + 1).stdout
    assert "added offer dropped-model" in shown and "+ upstream_model: dropped-model" in shown
    key, public_id = world.new_key()
    control_plane.operator("key", "revoke", public_id)
    control_plane.operator("version", "rollback", good)
    settled(world)
    for edge in world.fleet.edges.values():
        status, models = edge.status_of_models(world.key)
        assert status == 200 and "kept-model" in models and "dropped-model" not in models
        assert edge.status_of_models(key)[0] == 401
    newest = control_plane.operator("version", "list", "--limit", "1")[0]["version"]
    difference = control_plane.operator("version", "diff", good, newest)
    assert {one["kind"] for one in difference["resources"]} <= {"key"}


def test_a_key_reaches_every_edge_while_one_of_them_is_gone(world):
    """Its region is the first in which nobody is left; the others do not wait for it."""
    region = next(iter(world.fleet.edges))
    edge = world.fleet.edges[region]
    edge.child.kill()
    try:
        created = world.fleet.control_plane.operator("key", "create", "--team", "tests")
        for other in world.fleet.edges.values():
            if other is not edge:
                wait_until(lambda other=other: other.status_of_models(created["key"])[0] == 200, "it works")
    finally:
        edge.start()
    wait_until(lambda: edge.status_of_models(created["key"])[0] == 200, "the one that was gone has it too")
