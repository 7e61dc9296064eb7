"""A change reaches one edge first; where exchanges begin to fail there, it is taken back and nobody else ever
had it."""

import contextlib
import http.server
import threading

import httpx
import pytest
from devfleet.catalogue import Offer, Upstream
from devfleet.processes import wait_until
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


class Traffic:
    """Clients of one model at every edge, and what each edge answered."""

    def __init__(self, world: World, model: str):
        self.statuses = {region: [] for region in world.fleet.edges}
        self.stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(world, model, region)) for region in self.statuses
        ]

    def _ask(self, world, model, region):
        with world.http(region) as client:
            while not self.stop.wait(0.02):
                with contextlib.suppress(httpx.TransportError):
                    answer = client.post("/chat/completions", json=chat_request(model))
                    self.statuses[region].append(answer.status_code)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self._threads:
            thread.join(60)


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
        before = operator("version", "list", "--limit", "1")[0]["version"]
        catalogue.add_offers(
            [Offer("rolled-out", "refusing-provider", "openai", INPUT_PRICE, OUTPUT_PRICE, weight=500)]
        )

        def judged():
            found = [one for one in operator("rollout", "list") if one["target"] == before + 1]
            return found[0] if found and found[0]["state"] != "running" else None

        rollout = wait_until(judged, "the rollout has ended", seconds=120, every=0.2)
        settled(world)
    assert rollout["state"] == "rolled_back", rollout
    assert "errors rose at the first edge" in rollout["reason"]
    hurt = {region for region, statuses in traffic.statuses.items() if 401 in statuses}
    assert hurt == {rollout["region"]}
    assert all(statuses[-1] == 200 for statuses in traffic.statuses.values())
    assert "refusing-provider" not in {offer["upstream"] for offer in operator("offer", "list")}


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
