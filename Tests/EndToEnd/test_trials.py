"""A new configuration is tried in a process of its own before an edge takes it into force."""

import shutil

from devfleet import edges
from devfleet.catalogue import Offer
from devfleet.processes import wait_until
from edge_beside import edge_beside, metric
from test_rollouts import judged, newest, settled
from world import INPUT_PRICE, OUTPUT_PRICE, World

PASSED = "strait_edge_configuration_trials_passed"
FAILED = "strait_edge_configuration_trials_failed"


def add_offer(world: World, model: str) -> None:
    world.fleet.catalogue.add_offers([Offer(model, "scripted-http1", "openai", INPUT_PRICE, OUTPUT_PRICE)])


def test_a_changed_offer_is_tried_and_a_new_key_is_not(world, tmp_path):
    with edge_beside(world, tmp_path) as edge:
        tried = metric(edge, PASSED)
        assert tried >= 1
        key, _ = world.new_key()
        wait_until(lambda: edge.status_of_models(key)[0] == 200, "the key is in force")
        assert metric(edge, PASSED) == tried
        add_offer(world, "tried-model")
        wait_until(lambda: "tried-model" in edge.status_of_models(key)[1], "the offer is in force", seconds=60)
        assert metric(edge, PASSED) > tried
        assert metric(edge, FAILED) == 0
        assert "configuration tried" in edge.log.read_text()


def test_what_cannot_be_tried_is_refused_and_keys_go_on(world, tmp_path, monkeypatch):
    mine = tmp_path / "edge-node"
    shutil.copy2(edges.program("edge-node"), mine)
    monkeypatch.setattr(edges, "program", lambda name: mine)
    with edge_beside(world, tmp_path) as edge:
        monkeypatch.undo()
        settled(world)
        before = newest(world)
        # It runs on, but the operating system starts it no more.
        mine.chmod(0)
        add_offer(world, "untried-model")
        wait_until(
            lambda: "the trial cannot be run: Permission denied" in edge.log.read_text(),
            "the edge has refused",
            seconds=60,
        )
        assert metric(edge, FAILED) >= 1
        # What one edge refuses comes back from all of them.
        rollout = judged(world, before + 1)
        assert rollout["state"] == "rolled_back" and rollout["rolled_back_by"] == before + 2
        assert "the trial cannot be run: Permission denied" in rollout["reason"]
        offers = world.fleet.control_plane.operator("offer", "list")
        assert "untried-model" not in {offer["model"] for offer in offers}
        for other in world.fleet.edges.values():
            wait_until(
                lambda other=other: metric(other, "strait_edge_configuration_version") >= before + 2,
                "the rollback is everywhere",
            )
            assert "untried-model" not in other.status_of_models(world.key)[1]
        key, _ = world.new_key()
        wait_until(lambda: edge.status_of_models(key)[0] == 200, "the key is in force", seconds=60)
        assert "untried-model" not in edge.status_of_models(key)[1]
